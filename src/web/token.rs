//! The token by which a person signs in to a page: made by the program, kept in a file that its owner
//! alone reads, compared in constant time.

use std::path::Path;

use haima_crypto::encode::{Digest, to_hex};
use haima_smpc_node::keyfile;
use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::Error;

/// Bytes of a token, of a session's name, of a form's token: nobody guesses 128 bits.
const BYTES: usize = 16;

/// What a person shows to be let in: 32 hexadecimal digits.
pub struct Token(Zeroizing<String>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(<redacted>)")
    }
}

impl Token {
    /// A new one, from the operating system.
    #[must_use]
    pub fn random() -> Self {
        Self(secret())
    }

    /// The token in a file, which is made, mode 0600, where there is none. Remove the file for a new
    /// token.
    ///
    /// # Errors
    /// When the file cannot be written, others may read it, or it holds something else.
    pub fn kept(path: &Path) -> Result<Self, Error> {
        if !path.exists() {
            let token = Self::random();
            let line = Zeroizing::new(format!("{}\n", token.expose()));
            keyfile::write_private(path, line.as_bytes())?;
            return Ok(token);
        }
        let bytes = keyfile::read_private(path)?;
        let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
        if text.len() != 2 * BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let problem = "holds no token of a page; remove the file, and a new one is made";
            return Err(Error::config(path, problem));
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The token, to show it to its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether somebody has it.
    pub(super) fn is(&self, given: &str) -> bool {
        same(&self.0, given.trim())
    }
}

/// Digits that nobody guesses.
pub(super) fn secret() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    UnwrapErr(SysRng).fill_bytes(&mut *bytes);
    Zeroizing::new(to_hex(&*bytes))
}

/// Whether two secrets are the same; the time that it takes tells nothing of them, not even how long
/// they are.
pub(super) fn same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| Digest::of(text.as_bytes()));
    one.as_bytes().as_slice().ct_eq(other.as_bytes().as_slice()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_where_its_owner_alone_reads_it_and_is_the_same_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.token");
        let token = Token::kept(&path).unwrap();
        assert!(token.is(token.expose()) && token.is(&format!(" {}\n", token.expose())));
        assert!(Token::kept(&path).unwrap().is(token.expose()));
        assert!(!Token::random().is(token.expose()), "each is another");
        for wrong in ["", "0", &token.expose()[1..], &token.expose().to_uppercase().repeat(2)] {
            assert!(!token.is(wrong), "{wrong}");
        }
        assert!(!format!("{token:?}").contains(token.expose()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert!(Token::kept(&path).unwrap_err().to_string().contains("chmod 600"));
        }
    }

    #[test]
    fn a_file_that_holds_no_token_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.token");
        keyfile::write_private(&path, b"zzzz").unwrap();
        let said = Token::kept(&path).unwrap_err().to_string();
        assert!(said.contains("remove the file") && !said.contains("zzzz"), "{said}");
    }
}
