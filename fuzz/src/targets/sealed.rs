//! Sealed messages, their chunks, and keys to them (`haima_crypto::seal`).

use haima_crypto::seal::{ChunkKey, Place, SealingKey, SealingPublic, sealed_len};
use haima_crypto::secret::Seed;

use super::tools::{Cut, rng, tagged};

const AAD: &[u8] = b"fuzz";

pub(crate) fn run(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    match tag % 4 {
        0 => {
            if let Ok(plain) = key().open(AAD, bytes) {
                assert_eq!(sealed_len(plain.len()), bytes.len());
            }
            // One that opened under other associated data would be a forgery.
            assert!(key().open(b"other", bytes).is_err());
        }
        1 => {
            if let Ok(public) = SealingPublic::from_bytes(bytes) {
                assert!(public.to_bytes() == *bytes, "two encodings of a key");
                // Whatever key a peer signed, sealing to it works or is refused.
                let _ = public.seal(AAD, b"plaintext", &mut rng());
            }
        }
        2 => {
            if let Ok(private) = SealingKey::from_bytes(bytes) {
                assert!(*private.to_bytes() == *bytes, "two encodings of a key");
            }
        }
        _ => {
            let (key, mut chunk) = (ChunkKey::new(&Seed::from_bytes([6; 32])), bytes.to_vec());
            let opened = key.open(Place::of(0, 1).unwrap(), AAD, &mut chunk);
            match opened {
                Ok(()) => assert_eq!(chunk.len() + 16, bytes.len()),
                // On an error nothing of a plaintext is left.
                Err(_) => assert!(bytes.len() < 16 || chunk.iter().all(|byte| *byte == 0)),
            }
        }
    }
}

fn key() -> SealingKey {
    SealingKey::from_seed(&Seed::from_bytes([4; 32])).unwrap()
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let public = key().public();
    let mut chunk = b"a chunk".to_vec();
    let of_chunk = ChunkKey::new(&Seed::from_bytes([6; 32]));
    of_chunk.seal(Place::of(0, 1).unwrap(), AAD, &mut chunk).unwrap();
    vec![
        tagged(0, &public.seal(AAD, b"a plaintext", &mut rng()).unwrap()),
        tagged(1, &public.to_bytes()),
        tagged(2, key().to_bytes().as_slice()),
        tagged(3, &chunk),
    ]
}
