//! Who is signed in, in memory alone, and how often signing in failed.
//!
//! Of a session's name its digest is kept: looking one up tells nothing by the time that it takes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use haima_crypto::encode::Digest;
use zeroize::Zeroizing;

use super::token::secret;

/// How long a session lasts.
pub(super) const LIFE: Duration = Duration::from_secs(8 * 3600);
/// Sessions at a time; the oldest makes room for a new one.
const MOST: usize = 16;
/// Wrong tokens in [`WHILE`] after which nobody is asked any more.
const TRIES: usize = 5;
/// How long a wrong token counts.
const WHILE: Duration = Duration::from_secs(60);

/// The sessions that are open.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Vec<Session>>);

struct Session {
    /// Digest of its name.
    name: Digest,
    /// Token of its forms.
    form: Arc<str>,
    until: Instant,
}

impl Sessions {
    fn open(&self) -> MutexGuard<'_, Vec<Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session: its name, for the cookie.
    pub(super) fn begin(&self, now: Instant) -> Zeroizing<String> {
        let name = secret();
        let mut open = self.open();
        open.retain(|session| session.until > now);
        if open.len() >= MOST {
            open.remove(0);
        }
        open.push(Session {
            name: Digest::of(name.as_bytes()),
            form: secret().as_str().into(),
            until: now + LIFE,
        });
        name
    }

    /// The token of a session's forms; `None` where no such session is open.
    pub(super) fn form(&self, name: &str, now: Instant) -> Option<Arc<str>> {
        let name = Digest::of(name.as_bytes());
        let open = self.open();
        let found = open.iter().find(|session| session.name == name && session.until > now);
        found.map(|session| Arc::clone(&session.form))
    }

    /// Closes a session.
    pub(super) fn end(&self, name: &str) {
        let name = Digest::of(name.as_bytes());
        self.open().retain(|session| session.name != name);
    }
}

/// Wrong tokens of the last while, whoever gave them.
#[derive(Default)]
pub(super) struct Tries(Mutex<VecDeque<Instant>>);

impl Tries {
    fn wrong(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long nobody is asked; `None` when a token may be given now.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let mut wrong = self.wrong();
        while wrong.front().is_some_and(|at| *at + WHILE <= now) {
            wrong.pop_front();
        }
        let first = wrong.front().filter(|_| wrong.len() >= TRIES)?;
        Some((*first + WHILE).saturating_duration_since(now))
    }

    /// A wrong token was given.
    pub(super) fn failed(&self, now: Instant) {
        let mut wrong = self.wrong();
        wrong.push_back(now);
        while wrong.len() > TRIES {
            wrong.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lasts_its_time_and_ends_when_told() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let name = sessions.begin(now);
        let form = sessions.form(&name, now).unwrap();
        assert_ne!(*form, **name, "a form does not show the session's name");
        let last = now + LIFE.saturating_sub(Duration::from_secs(1));
        assert!(sessions.form(&name, last).is_some());
        assert!(sessions.form(&name, now + LIFE).is_none());
        assert!(sessions.form("", now).is_none() && sessions.form(&form, now).is_none());
        sessions.end(&name);
        assert!(sessions.form(&name, now).is_none());
    }

    #[test]
    fn the_oldest_of_too_many_sessions_makes_room() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let names: Vec<_> = (0..=MOST).map(|_| sessions.begin(now)).collect();
        assert!(sessions.form(&names[0], now).is_none());
        assert!(names[1..].iter().all(|name| sessions.form(name, now).is_some()));
    }

    #[test]
    fn after_a_few_wrong_tokens_nobody_is_asked_for_a_while() {
        let (tries, now) = (Tries::default(), Instant::now());
        for i in 0..TRIES {
            assert_eq!(tries.wait(now), None, "{i}");
            tries.failed(now);
        }
        assert_eq!(tries.wait(now), Some(WHILE));
        assert_eq!(tries.wait(now + WHILE), None);
        tries.failed(now + WHILE);
        assert_eq!(tries.wait(now + WHILE), None, "what is long ago counts no more");
    }
}
