//! What a party is told of TLS files that do not belong together.

use super::*;

/// Both files are named, and no word of the library's is needed to understand it.
#[test]
fn a_key_of_another_certificate_is_told_with_both_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["one", "two"] {
        let (certificate, key) = TlsIdentity::generate(name).unwrap();
        std::fs::write(path(&format!("{name}.crt")), certificate).unwrap();
        keyfile::write_private(&path(&format!("{name}.key")), key.as_bytes()).unwrap();
    }
    TlsIdentity::read(&path("one.crt"), &path("one.key")).unwrap();
    let error = TlsIdentity::read(&path("one.crt"), &path("two.key")).unwrap_err().to_string();
    for words in ["two.key: not the key of the certificate", "one.crt", "haima keygen"] {
        assert!(error.contains(words), "{words}: {error}");
    }
}
