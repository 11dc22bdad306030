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

# Measures everything of crypto, then prints the ratio table of benches/README.md.
ratios:
    cargo bench -p haima-crypto --bench kernels --bench pine --bench secagg --bench secagg_round --bench shamir
    cargo bench -p haima-crypto --bench ratios

# Every test, the slow ignored ones too, optimised.
deep:
    cargo test --workspace --release -- --include-ignored
    cargo test -p haima-crypto --features rayon

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
