//! A party's configuration file, read up to a length: a path that is none, a device perhaps, or a
//! file that somebody filled, takes no more memory than that.

use std::io::{Error, ErrorKind, Read as _};
use std::path::Path;

/// Longer than any configuration, in bytes.
pub const MOST_BYTES: u64 = 1 << 20;

/// Reads a configuration file.
///
/// # Errors
/// When it cannot be read, is longer than [`MOST_BYTES`], or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Error> {
    let invalid = |problem: String| Error::new(ErrorKind::InvalidData, problem);
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(invalid(format!("over {MOST_BYTES} bytes; no configuration is so long")));
    }
    String::from_utf8(bytes).map_err(|error| invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_up_to_its_length_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        let longest = "#".repeat(usize::try_from(MOST_BYTES).unwrap());
        std::fs::write(&path, &longest).unwrap();
        assert_eq!(read(&path).unwrap(), longest);
        std::fs::write(&path, longest + "\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("no configuration is so long"), "{error}");
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::InvalidData);
        assert_eq!(
            read(folder.path().join("none").as_path()).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }

    /// It has no length that anybody could ask for, and no end.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_an_end_is_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("no configuration is so long"), "{error}");
    }
}
