//! Who is signed in, in memory alone, and how often signing in failed.
//!
//! Of a session's name its digest is kept: looking one up tells nothing by the time that it takes.
//! Wrong tokens keep nobody out: a token has 128 random bits, and whoever could make others wait would
//! keep its owner from the switch that stops the daemon.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use haima_crypto::encode::Digest;
use zeroize::Zeroizing;

use super::token::secret;

/// How long a session lasts.
pub(super) const LIFE: Duration = Duration::from_secs(8 * 3600);
/// Sessions at a time; the oldest makes room for a new one.
const MOST: usize = 16;
/// From one line of the log about wrong tokens to the next.
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

/// Wrong tokens, counted for the log, which whoever gives them cannot fill.
#[derive(Default)]
pub(super) struct Wrong(Mutex<Count>);

#[derive(Default)]
struct Count {
    /// Since the last line of the log.
    given: u64,
    told: Option<Instant>,
}

impl Wrong {
    /// One was given: how many the log is to be told of, if it is time for a line.
    pub(super) fn given(&self, now: Instant) -> Option<u64> {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        count.given = count.given.saturating_add(1);
        if count.told.is_some_and(|told| now < told + WHILE) {
            return None;
        }
        count.told = Some(now);
        Some(std::mem::take(&mut count.given))
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
    fn the_log_is_told_of_wrong_tokens_at_once_and_then_of_all_in_a_while() {
        let (wrong, now) = (Wrong::default(), Instant::now());
        assert_eq!(wrong.given(now), Some(1));
        for _ in 0..1000 {
            assert_eq!(wrong.given(now), None);
        }
        assert_eq!(wrong.given(now + WHILE), Some(1001));
    }
}
