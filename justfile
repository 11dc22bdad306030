# `just` alone lists the recipes.
default:
    @just --list

# Formatting and lints; warnings are errors.
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets --features haima/audit,haima/failpoints,haima/wgpu,haima-smpc-node/otel -- -D warnings

# Every test but the ignored ones.
test:
    cargo test --workspace

# A whole network on this machine; options go through, e.g. `just demo --nodes 5`.
demo *options:
    cargo run --release -- demo {{options}}

# Criterion benches.
bench:
    cargo bench --workspace

# Measures every hot path beside its floor and peer, then prints the ratios of benches/README.md.
ratios:
    cargo bench -p haima-crypto --bench kernels --bench pine --bench sealing --bench secagg --bench secagg_round --bench shamir --bench xof
    cargo bench -p haima-dp --bench accountants --bench mechanisms
    cargo bench -p haima-fl-core --bench ghost
    cargo bench -p haima-smpc-node --bench ingest --bench round
    cargo bench -p haima-crypto --bench ratios

# Instruction counts of hot paths against benches/instructions.txt; `just instructions --bless` renews them.
instructions *options:
    benches/instructions.sh {{options}}

# Evidence that CI reruns, with its broken twins; kinds may be named.
proofs *kinds:
    proofs/run.sh {{kinds}}

# Valid inputs of every fuzz target, written out: `just seeds DIR`.
seeds folder:
    cargo run --manifest-path fuzz/Cargo.toml --example seed -- {{folder}}

# Every test, the slow ignored ones too, optimised.
deep:
    cargo test --workspace --release -- --include-ignored
    cargo test -p haima-crypto --features rayon
    DEEP=1 proofs/tla/run.sh
    DEEP=1 proofs/supply/run.sh features minimal
    FUZZ_SECONDS=300 proofs/fuzz/run.sh
    FUZZ_SECONDS=120 proofs/fuzz/run.sh fuzz/whole
    MIRI_UNITS=1 proofs/miri/run.sh
    proofs/planted/run.sh
    proofs/mutants/run.sh
    proofs/coverage/run.sh

# The book, in target/book.
book:
    mdbook build docs

# Static binaries, Debian packages, SBOM and checksums, built twice: the same bytes, in `packages`.
package:
    packaging/package.sh --out packages --twice

# Every example.
examples:
    cargo run -p haima-crypto --example share_and_sum
    cargo run -p haima-dp --example calibrate_noise
    cargo run -p haima-fl-core --example implement_a_task
    cargo run -p haima-fl-core --example implement_a_model
    cargo run -p haima-smpc-node --example signed_journal
    cargo run --example embed_a_site
