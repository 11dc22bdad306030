//! Three hospitals add up their counts over two servers, and neither server sees a hospital's.
//!
//! `cargo run -p haima-crypto --example share_and_sum`

use haima_crypto::Error;
use haima_crypto::encode::Digest;
use haima_crypto::field::Field64;
use haima_crypto::share::{Aggregate, combine, split};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

fn main() -> Result<(), Error> {
    // Secret: patients, events and a signed number of each hospital.
    let hospitals = [("north", [120, 31, -4]), ("south", [85, 12, 9]), ("west", [40, 7, 2])];
    let (servers, coordinates) = (2, 3);

    // A fixed seed, so that this prints the same twice. Take the operating system's randomness
    // (`rand::rng()`) for anything that is secret.
    let mut rng = ChaCha20Rng::from_seed([7; 32]);

    // Each server adds the shares that come to it, and keeps nothing else.
    let mut sums: Vec<Aggregate<Field64>> =
        (0..servers).map(|server| Aggregate::new(server, coordinates)).collect();

    for (name, counts) in hospitals {
        // Binds the shares to their round and their hospital: no share fits elsewhere.
        let context = Digest::of(format!("round 1, {name}").as_bytes());
        let shares = split::<Field64, _>(&counts, servers, &context, &mut rng)?;
        for (server, (sum, share)) in sums.iter_mut().zip(&shares).enumerate() {
            let bytes = share.to_bytes();
            println!("{name} sends server {server} {} bytes that say nothing alone", bytes.len());
            sum.add_bytes(&context, &bytes)?;
        }
    }

    // Only the sums leave the servers. Together they are the sum of all counts, exactly.
    let released: Vec<Vec<u8>> = sums.iter().map(Aggregate::to_bytes).collect();
    let released: Vec<&[u8]> = released.iter().map(Vec::as_slice).collect();
    let total = combine::<Field64>(&released, coordinates)?;
    println!("patients, events, number: {total:?}");
    assert_eq!(total, [245, 50, 7]);
    Ok(())
}
