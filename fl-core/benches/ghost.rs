//! A step of DP-SGD by ghost clipping beside the same step without privacy, and beside a loop over
//! patients: a network 32-64-64-1 at batch 64, from the weights that a round brought to a gradient
//! in doubles. Prints the ratios.

use std::hint::black_box;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData, activation};
use criterion::Criterion;
use haima_fl_core::nn::PatientLoss;
use haima_fl_core::nn::ghost::{PatientGradients, Tape};
use haima_fl_core::nn::mlp::{Mlp, Shape};
use haima_fl_core::nn::packing::{CHUNK, Packing};

const INPUTS: usize = 32;
const WIDTHS: [usize; 4] = [INPUTS, 64, 64, 1];
const CLIP: f64 = 1.0;

/// Sum over patients of log(1 + e^z) - y z.
struct Logistic(Mlp);

fn split(chunk: &[f32], rows: usize) -> (Tensor<2>, Tensor<2>) {
    let data = TensorData::new(chunk.to_vec(), [rows, INPUTS + 1]);
    let all = Tensor::<2>::from_data(data, &Device::flex());
    (all.clone().narrow(1, 0, INPUTS), all.narrow(1, INPUTS, 1))
}

fn losses(scores: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    activation::softplus(scores.clone(), 1.0) - y * scores
}

impl PatientLoss for Logistic {
    fn width(&self) -> usize {
        INPUTS + 1
    }

    fn gradients(&self, chunk: &[f32]) -> Option<PatientGradients> {
        let (x, y) = split(chunk, CHUNK);
        let mut tape = Tape::new();
        let loss = losses(self.0.forward(x, &mut tape), y).sum();
        tape.gradients(&loss)
    }
}

/// burn's own autodiff with the weights as leaves; the mean loss.
fn plain(weights: &[f64], rows: &[f32], count: usize) -> Vec<f64> {
    let device = Device::flex();
    let (mut value, y) = split(rows, count);
    let (mut rest, mut leaves) = (weights, Vec::new());
    for (layer, pair) in WIDTHS.windows(2).enumerate() {
        let mut take = |rows: usize, columns: usize| {
            let (own, tail) = rest.split_at(rows * columns);
            rest = tail;
            let own: Vec<f32> = own.iter().map(|weight| *weight as f32).collect();
            let data = TensorData::new(own, [rows, columns]);
            Tensor::<2>::from_data(data, &device).autodiff().require_grad()
        };
        let (weight, bias) = (take(pair[0], pair[1]), take(1, pair[1]));
        let input = if layer == 0 { value } else { value.tanh() };
        value = input.matmul(weight.clone()) + bias.clone();
        leaves.extend([weight, bias]);
    }
    let gradients = losses(value, y).mean().backward();
    let values = leaves.iter().flat_map(|leaf| {
        let gradient = leaf.grad(&gradients).expect("a leaf's gradient");
        gradient.into_data().try_into_vec::<f32>().expect("floats")
    });
    values.map(f64::from).collect()
}

fn ghost(shape: &Shape, weights: &[f64], rows: &[f32]) -> Vec<f64> {
    let loss = Logistic(shape.network(weights).expect("a network"));
    let mut sum = vec![0.0; weights.len()];
    assert!(Packing::Chunks.sum(&loss, rows, 0, CLIP, &mut sum));
    sum
}

fn naive(weights: &[f64], rows: &[f32]) -> Vec<f64> {
    let mut sum = vec![0.0; weights.len()];
    for patient in rows.chunks(INPUTS + 1) {
        let gradient = plain(weights, patient, 1);
        let norm = gradient.iter().map(|value| value * value).sum::<f64>().sqrt();
        let factor = (CLIP / norm).min(1.0);
        sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += factor * value);
    }
    sum
}

/// Shortest of many alternating runs of each, in seconds: what the machine's other work adds is left
/// out of all alike.
fn shortest<const N: usize>(rounds: usize, steps: [&dyn Fn(); N]) -> [f64; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..rounds {
        for (best, step) in best.iter_mut().zip(steps) {
            let start = Instant::now();
            step();
            *best = start.elapsed().min(*best);
        }
    }
    best.map(|time| time.as_secs_f64())
}

fn main() {
    let shape = Shape::new(WIDTHS.to_vec(), true);
    let weights = shape.initial(1);
    let number = CHUNK * (INPUTS + 1);
    let rows: Vec<f32> = (0..number).map(|i| ((i * 7919) % 1000) as f32 / 500.0 - 1.0).collect();
    let both = ghost(&shape, &weights, &rows).into_iter().zip(naive(&weights, &rows));
    assert!(both.into_iter().all(|(a, b)| (a - b).abs() < 1e-4), "both clip the same gradients");

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("step, 32-64-64-1, batch 64");
    group.bench_function("not private", |bench| {
        bench.iter(|| plain(black_box(&weights), black_box(&rows), CHUNK));
    });
    group.bench_function("ghost clipping", |bench| {
        bench.iter(|| ghost(&shape, black_box(&weights), black_box(&rows)));
    });
    group.sample_size(10).bench_function("loop over patients", |bench| {
        bench.iter(|| naive(black_box(&weights), black_box(&rows)));
    });
    group.finish();

    let [plain, ghost, naive] = shortest(
        301,
        [
            &|| drop(black_box(plain(black_box(&weights), black_box(&rows), CHUNK))),
            &|| drop(black_box(ghost(&shape, black_box(&weights), black_box(&rows)))),
            &|| drop(black_box(naive(black_box(&weights), black_box(&rows)))),
        ],
    );
    println!(
        "shortest of 301: not private {:.1} us, ghost clipping {:.1} us ({:.2} times), loop {:.1} us \
         ({:.1} times)",
        1e6 * plain,
        1e6 * ghost,
        ghost / plain,
        1e6 * naive,
        naive / plain
    );
}
