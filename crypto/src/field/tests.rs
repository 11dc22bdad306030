//! The field laws against arithmetic that is plainly right.

use proptest::prelude::*;

use super::*;

/// The field laws against arithmetic that is plainly right, for any field.
fn laws<F: Field>(reference: impl Fn(u128, u128) -> (u128, u128, u128), words: [u128; 2]) {
    let [a, b] = words.map(|word| word % F::MODULUS);
    let element = |word: u128| F::from_le_bytes(&word.to_le_bytes()[..F::BYTES]).unwrap();
    let word = |element: F| {
        let mut bytes = Vec::new();
        element.write_le_bytes(&mut bytes);
        bytes.resize(16, 0);
        u128::from_le_bytes(bytes.try_into().unwrap())
    };
    let (sum, difference, product) = reference(a, b);
    assert_eq!(word(element(a) + element(b)), sum, "{a} + {b}");
    assert_eq!(word(element(a) - element(b)), difference, "{a} - {b}");
    assert_eq!(word(element(a) * element(b)), product, "{a} * {b}");
    assert_eq!(element(a) + -element(a), F::ZERO);
    if a != 0 {
        assert_eq!(element(a) * element(a).inverse(), F::ONE, "inverse of {a}");
    }
}

/// Double and add: the slow multiplication that needs no wide product.
fn slow_product(a: u128, b: u128, p: u128) -> u128 {
    let add = |x: u128, y: u128| if x >= p - y { x - (p - y) } else { x + y };
    let mut product = 0;
    for bit in (0..128).rev() {
        product = add(product, product);
        if b >> bit & 1 == 1 {
            product = add(product, a);
        }
    }
    product
}

fn check<F: Field>(words: [u128; 2]) {
    let p = F::MODULUS;
    laws::<F>(
        |a, b| {
            let sum = if a >= p - b { a - (p - b) } else { a + b };
            let difference = if a >= b { a - b } else { a + (p - b) };
            (sum, difference, slow_product(a, b, p))
        },
        words,
    );
}

const EDGES: [u128; 12] = [
    0,
    1,
    2,
    0xffff_ffff,
    0x1_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_ffff,
    1 << 64,
    (1 << 66) - 1,
    u128::MAX / 2,
    u128::MAX - 1,
    u128::MAX,
];

#[test]
fn the_fields_are_right_at_the_edges() {
    // Under miri some hundreds of inverses take minutes.
    let step = if cfg!(miri) { 5 } else { 1 };
    for a in EDGES.into_iter().step_by(step) {
        for b in EDGES.into_iter().step_by(step) {
            for [a, b] in [[a, b], [Field64::MODULUS - 1 - a % Field64::MODULUS, b]] {
                check::<Field64>([a, b]);
            }
            check::<Field128>([a, b]);
            check::<Field128>([Field128::MODULUS - 1 - a % Field128::MODULUS, b]);
            for [a, b] in [[a, b], [a, !b], [!a, b]] {
                check::<Field32>([a, b]);
                check::<Field40>([a, b]);
                check::<Field32>([Field32::MODULUS - 1 - a % Field32::MODULUS, b]);
                check::<Field40>([Field40::MODULUS - 1 - a % Field40::MODULUS, b]);
            }
        }
    }
}

/// Vector kernels against one element at a time with the plain operators.
fn kernels<F: Field>(words: &[[u64; 2]]) {
    let element = |[high, low]: [u64; 2]| {
        let word = (u128::from(high) << 64 | u128::from(low)) % F::MODULUS;
        F::from_u128(word).unwrap()
    };
    let a: Vec<F> = words.iter().map(|word| element(*word)).collect();
    let b: Vec<F> = words.iter().map(|[x, y]| element([y.rotate_left(9), !*x])).collect();
    let pairs = || a.iter().copied().zip(b.iter().copied());
    pairs().for_each(|(a, b)| assert!(a.lane_mul(b) == a * b));
    let product = pairs().fold(F::ZERO, |sum, (a, b)| sum + a * b);
    assert_eq!(F::inner_product(&a, &b), product);
    let longer: Vec<F> = b.iter().copied().chain([F::ONE; 3]).collect();
    assert_eq!(F::inner_product(&a, &longer), product, "the shorter length wins");
    assert_eq!(F::sum_of_squares(&a), a.iter().fold(F::ZERO, |sum, a| sum + *a * *a));
    let run = |kernel: &dyn Fn(&mut [F])| {
        let mut acc = a.clone();
        kernel(&mut acc);
        acc
    };
    let scale = b.first().copied().unwrap_or_default();
    assert!(run(&|acc| F::add_vec(acc, &b)).into_iter().eq(pairs().map(|(a, b)| a + b)));
    assert!(run(&|acc| F::sub_vec(acc, &b)).into_iter().eq(pairs().map(|(a, b)| a - b)));
    assert!(
        run(&|acc| F::add_scaled(acc, scale, &b))
            .into_iter()
            .eq(pairs().map(|(a, b)| a + scale * b))
    );
    assert_eq!(decode_vec::<F>("test", &encode_vec(&a), a.len()).unwrap(), a);
    let mut bytes = encode_vec(&a);
    bytes.extend(&F::MODULUS.to_le_bytes()[..F::BYTES]);
    assert_eq!(
        decode_vec::<F>("test", &bytes, a.len() + 1),
        Err(Error::NotReduced { what: "test", index: a.len() })
    );
}

proptest! {
    #[test]
    fn vector_kernels_are_the_plain_operators(
        words in prop::collection::vec(
            prop_oneof![any::<[u64; 2]>(), Just([u64::MAX; 2]), Just([0, 0xffff_ffff_0000_0000])],
            0..80,
        ),
    ) {
        kernels::<Field32>(&words);
        kernels::<Field40>(&words);
        kernels::<Field64>(&words);
        kernels::<Field128>(&words);
    }

    #[test]
    fn the_fields_obey_their_laws(a: u128, b: u128) {
        check::<Field32>([a, b]);
        check::<Field40>([a, b]);
        check::<Field64>([a, b]);
        check::<Field128>([a, b]);
    }

    #[test]
    fn a_magnitude_is_the_integer_without_its_sign(value: i64) {
        prop_assert_eq!(magnitude(value), value.unsigned_abs());
        let small = value >> 40;
        prop_assert_eq!(magnitude(small), small.unsigned_abs());
    }

    #[test]
    fn signed_integers_survive_both_fields(value: i64) {
        prop_assert_eq!(
            Field128::from_i64(value).map(Field128::to_integer),
            Some(i128::from(value))
        );
        let small = value / 2;
        prop_assert_eq!(
            Field64::from_i64(small).map(Field64::to_integer),
            Some(i128::from(small))
        );
    }

    #[test]
    fn decoding_accepts_exactly_the_canonical_bytes(word: u64) {
        let element = Field64::from_le_bytes(&word.to_le_bytes());
        prop_assert_eq!(element.is_some(), u128::from(word) < Field64::MODULUS);
    }
}

#[test]
fn the_smallest_integer_has_a_magnitude_as_well() {
    for value in [0, 1, -1, i64::MAX, i64::MIN, i64::MIN + 1] {
        assert_eq!(magnitude(value), value.unsigned_abs(), "{value}");
    }
    assert_eq!(magnitude(i64::MIN), 1 << 63);
}

#[test]
fn the_range_of_integers_is_exact() {
    let limit = i64::try_from(Field64::MAX_INTEGER).unwrap();
    assert_eq!(limit, 9_223_372_034_707_292_160);
    for value in [limit, -limit] {
        assert_eq!(Field64::from_i64(value).map(Field64::to_integer), Some(i128::from(value)));
    }
    for value in [limit + 1, -limit - 1, i64::MAX, i64::MIN] {
        assert_eq!(Field64::from_i64(value), None, "{value}");
        assert!(Field128::from_i64(value).is_some());
    }
}

#[test]
fn a_modulus_word_is_no_element() {
    let bytes = u64::try_from(Field64::MODULUS).unwrap().to_le_bytes();
    assert!(decode_vec::<Field64>("test", &bytes, 1).is_err());
    assert!(decode_vec::<Field128>("test", &Field128::MODULUS.to_le_bytes(), 1).is_err());
    assert!(decode_vec::<Field64>("test", &[0; 15], 2).is_err());
    assert!(decode_vec::<Field64>("test", &[0; 16], usize::MAX).is_err());
}

fn roots<F: Field>() {
    assert_eq!(F::GENERATOR.pow(1 << (F::LOG2_ROOTS - 1)), F::ZERO - F::ONE, "a principal root");
    assert_eq!(F::root(0), Some(F::ONE));
    assert_eq!(F::root(1), Some(-F::ONE));
    assert_eq!(F::root(F::LOG2_ROOTS), Some(F::GENERATOR));
    assert_eq!(F::root(F::LOG2_ROOTS + 1), None);
    assert_eq!(F::from_u128(F::MODULUS), None);
    assert_eq!(F::from_u128(F::MODULUS - 1), Some(-F::ONE));
    assert_eq!((-F::ONE).to_u128(), F::MODULUS - 1);
    assert_eq!((-F::ONE).to_integer(), -1);
    assert_eq!(F::from_i64(-7), F::from_u64(7).map(|seven| -seven));
    assert!(format!("{:?}", F::GENERATOR).contains("redacted"));
}

/// Both halves of a field, to their ends: the upper one stands for negative integers.
fn integers<F: Field>() {
    let most = F::MAX_INTEGER;
    assert_eq!(2 * most + 1, F::MODULUS);
    for value in [0, 1, 2, 3, most / 2, most - 1, most] {
        let element = F::from_u128(value).unwrap();
        assert_eq!(element.to_integer(), value as i128, "{value}");
        assert_eq!((-element).to_integer(), -(value as i128), "-{value}");
        let small = i64::try_from(value).ok().map(F::from_i64);
        assert!(small.is_none_or(|from| from == Some(element)), "{value}");
    }
}

#[test]
fn every_element_stands_for_one_integer() {
    integers::<Field32>();
    integers::<Field40>();
    integers::<Field64>();
    integers::<Field128>();
}

#[test]
fn generators_have_the_order_that_they_claim() {
    roots::<Field32>();
    roots::<Field40>();
    roots::<Field64>();
    roots::<Field128>();
}
