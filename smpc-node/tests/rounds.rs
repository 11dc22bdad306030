//! Rounds over real nodes: what they release, and what they refuse.
#![cfg(feature = "server")]

mod world;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::pine::Sharding;
use haima_dp::units::Rate;
use haima_smpc_node::bundle::release_digest;
use haima_smpc_node::masking::{MaskSpec, Masking};
use haima_smpc_node::spec::{BlockSpec, Hiding, RoundEvent, RoundSpec, ShareSpec};
use haima_smpc_node::unix_millis;
use world::{SITES, World};

type Change = fn(&mut RoundSpec);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exact_round_releases_the_plain_sum_of_all_sites() {
    let world = World::running(3).await;
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    for site in 0..4 {
        world.submit(site, &spec, &[site as i64, -7, 1 << 23, 0]).await;
    }
    let verified = world.bundle(&spec).await.verify(&world.manifest).unwrap();
    assert_eq!(verified.integers, [6, -28, 1 << 25, 0]);
    assert_eq!(verified.accepted.headers.sites().collect::<Vec<_>>(), SITES);
}

/// S3: what is proved and summed are integers: those that no double holds come out as they went in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn integers_that_no_float_holds_are_proved_and_summed() {
    let world = World::running(2).await;
    let bound = 1 << 56;
    let hiding = Hiding::Shares(ShareSpec::new(4, bound, 2).unwrap());
    let spec = RoundSpec { hiding, bound, ..world.spec("exact", 1) };
    world.open(&spec).await;
    let odd = (1_i64 << 53) + 1;
    assert_ne!(odd as f64 as i64, odd);
    for site in 0..4 {
        world.submit(site, &spec, &[odd, -odd, 1 - odd, site as i64]).await;
    }
    let verified = world.bundle(&spec).await.verify(&world.manifest).unwrap();
    let sum = 4 * i128::from(odd);
    assert_eq!(verified.integers, [sum, -sum, 4 - sum, 6]);
}

/// N1, N3: noise is there, and the same whenever the release is asked for, also after a crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_noised_and_byte_identical_for_ever() {
    let mut world = World::running(2).await;
    let spec = world.spec("private", 1);
    world.open(&spec).await;
    for site in 0..4 {
        world.submit(site, &spec, &[0; 4]).await;
    }
    let bundle = world.bundle(&spec).await;
    let noise = bundle.verify(&world.manifest).unwrap().integers;
    assert!(noise.iter().any(|z| *z != 0) && noise.iter().all(|z| z.abs() < 64 * 20), "{noise:?}");
    assert_eq!(world.bundle(&spec).await, bundle);
    world.crash(1).await;
    world.start(1).await;
    assert_eq!(world.bundle(&spec).await, bundle, "the stored answer, not a new one");
}

fn sampled(q: f64) -> RoundEvent {
    RoundEvent::DiscreteGaussian { s: 64, q: Rate::new(q).unwrap() }
}

fn shares(spec: &mut RoundSpec) -> &mut ShareSpec {
    match &mut spec.hiding {
        Hiding::Shares(shares) => shares,
        Hiding::Masks(_) => panic!("a study with nodes"),
    }
}

/// R1, N1, N5, X3, L1: a spec that goes beyond the manifest is refused by name and changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_beyond_the_manifest_is_refused_with_the_figure() {
    let world = World::running(2).await;
    let cases: [(&str, &str, Change); 28] = [
        ("protocol", "protocol", |s| s.protocol = 9),
        ("manifest", "another manifest", |s| s.manifest = Digest::of(b"x")),
        ("roster", "roster", |s| s.roster = Digest::of(b"x")),
        ("unknown task", "no task", |s| s.task_id = "other".into()),
        ("task version", "the manifest has", |s| s.task_version = 2),
        ("too many steps", "step 5", |s| (s.step, s.plan_index) = (5, 5)),
        ("too many attempts", "spare attempts", |s| s.plan_index = 6),
        ("a second run (L2)", "run 2 of the private task", |s| s.run = 2),
        ("too long", "coordinates", |s| s.blocks[0].len = 1001),
        ("empty", "coordinates", |s| s.blocks[0].len = 0),
        ("no block", "coordinates", |s| s.blocks.clear()),
        ("floor", "floor 2", |s| s.min_sites = 2),
        ("tick", "tick", |s| s.tick_ms = 1),
        ("epoch (R5)", "epoch", |s| s.epoch = Digest::of(b"x")),
        ("fewer checks (R7)", "parameters", |s| shares(s).proof.checks -= 1),
        ("fewer proofs (R7)", "parameters", |s| shares(s).proof.proofs_norm_equality -= 1),
        ("masks", "not the manifest's", |s| {
            let masking = Masking::of(3);
            s.hiding = Hiding::Masks(MaskSpec { bits: 32, masking });
        }),
        ("less noise", "noise 63", |s| {
            s.event = RoundEvent::DiscreteGaussian { s: 63, q: Rate::ALL }
        }),
        ("no noise", "no noise", |s| s.event = RoundEvent::Exact),
        ("more sensitivity", "sensitivity 5", |s| s.sensitivity = 5),
        ("no sensitivity", "sensitivity 0", |s| s.sensitivity = 0),
        ("two grids", "one grid", |s| s.blocks.push(BlockSpec { len: 1, frac_bits: 1 })),
        ("noise past the sampler", "scale", |s| {
            s.event = RoundEvent::DiscreteGaussian { s: u64::MAX, q: Rate::ALL };
        }),
        ("a higher rate", "sampling rate 0.5; the manifest allows above 0 to 0.25", |s| {
            (s.task_id, s.event) = ("sampled".into(), sampled(0.5));
        }),
        ("no rate", "outside (0, 1]", |s| s.event = sampled(0.0)),
        ("more coordinates than planned", "the manifest's plan has 900", |s| {
            s.blocks[0].len = 901;
        }),
        ("a field too small (N5)", "field does not fit", |s| s.bound = u64::MAX / 2),
        ("a far deadline", "deadline", |s| s.deadline_ms = unix_millis() + 70_000),
    ];
    for (what, expected, change) in cases {
        let mut spec = world.spec("private", 1);
        change(&mut spec);
        let error = world.open_at(0, &spec).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
    let last = world.node(0).check_status(&world.manifest.digest(), unix_millis()).await.unwrap();
    assert_eq!(last, 0, "a refused spec changes nothing");
    let mut noised = world.spec("exact", 1);
    noised.event = RoundEvent::DiscreteGaussian { s: 64, q: Rate::ALL };
    assert!(world.open_at(0, &noised).await.is_err());
}

/// R1: the coordinator's signature binds the spec.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spec_signed_by_another_or_sent_by_another_is_refused() {
    let world = World::running(2).await;
    let spec = world.spec("exact", 1);
    let forged = world.sites[0].identity.sign(&spec.digest());
    assert!(world.node(0).open(&spec, &forged).await.is_err());
    let signature = world.coordinator.identity.sign(&spec.digest());
    let error = world.node_as(0, &world.sites[0]).open(&spec, &signature).await.unwrap_err();
    assert!(error.to_string().contains("only the coordinator"), "{error}");
    let release = world
        .node_as(0, &world.sites[0])
        .release(&spec.digest(), std::time::Duration::ZERO, 100)
        .await;
    assert!(release.is_err(), "a site gets no release from a node");
}

/// R8, X3: one spec a step and attempt; later steps build on the release that this node made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_spec_for_a_step_and_a_wrong_predecessor_are_refused() {
    let world = World::running(2).await;
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    world.open_at(0, &spec).await.expect("opening twice is no error");
    let mut second = world.spec("exact", 2);
    second.query = Digest::of(b"another model for one site");
    second.plan_index = 1;
    assert!(world.open_at(0, &second).await.is_err());
    for site in 0..4 {
        world.submit(site, &spec, &[1; 4]).await;
    }
    let bundle = world.bundle(&spec).await;
    let again = RoundSpec { attempt: 1, plan_index: 1, ..world.spec("exact", 2) };
    let error = world.open_at(0, &again).await.unwrap_err().to_string();
    assert!(error.contains("released"), "a released step has no second release: {error}");
    let next = |previous| RoundSpec { step: 1, plan_index: 1, previous, ..world.spec("exact", 3) };
    let error = world.open_at(0, &next(Digest::of(b"x"))).await.unwrap_err().to_string();
    assert!(error.contains("X3"), "{error}");
    world.open_at(0, &next(release_digest(&bundle))).await.unwrap();
    let late = world.spec("exact", 3);
    assert!(world.open_at(0, &late).await.is_err(), "numbers only rise");
}

/// R2: one site cannot pass off another's shares, nor replay a nonce.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_cannot_submit_another_sites_ciphertexts_or_an_old_nonce() {
    let world = World::running(2).await;
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    let of_a = world.make(0, &spec, &[1; 4]);
    let error = world.submit_to(0, 1, &of_a).await.unwrap_err().to_string();
    assert!(error.contains("names site-a"), "{error}");
    // With its own name on A's ciphertexts the digests fit, but they were sealed in A's name.
    let mut relabelled = of_a.clone();
    relabelled.header.site = "site-b".into();
    let error = world.submit_to(0, 1, &relabelled).await.unwrap_err().to_string();
    assert!(error.contains("does not open"), "{error}");
    for made in [&of_a] {
        world.submit_to(0, 0, made).await.unwrap();
        world.submit_to(0, 0, made).await.expect("a re-send is no error");
    }
    let other = world.make(0, &spec, &[2; 4]);
    let error = world.submit_to(0, 0, &other).await.unwrap_err().to_string();
    assert!(error.contains("already submitted"), "{error}");
    let second = world.spec("private", 2);
    world.open(&second).await;
    let replayed = world.make_under(0, &second, &[2; 4], of_a.header.nonce, |_| {});
    let error = world.submit_to(0, 0, &replayed).await.unwrap_err().to_string();
    assert!(error.contains("R2"), "{error}");
}

/// R2, R3: a site that gives two nodes different headers is left out; the others are summed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_headers_at_two_nodes_cost_only_that_site() {
    let world = World::running(2).await;
    let spec = RoundSpec { deadline_ms: unix_millis() + 3000, ..world.spec("exact", 1) };
    world.open(&spec).await;
    for site in 0..3 {
        world.submit(site, &spec, &[1; 4]).await;
    }
    for node in 0..2 {
        let made = world.make(3, &spec, &[1000; 4]);
        world.submit_to(node, 3, &made).await.unwrap();
    }
    let verified = world.bundle(&spec).await.verify(&world.manifest).unwrap();
    assert_eq!(verified.integers, [3; 4]);
    assert_eq!(verified.accepted.headers.sites().collect::<Vec<_>>(), SITES[..3]);
}

/// R3, R8: a submission to one node only costs that site; below the floor nothing is released.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_floor_nothing_is_released() {
    let world = World::running(2).await;
    let spec = RoundSpec { deadline_ms: unix_millis() + 2000, ..world.spec("exact", 1) };
    world.open(&spec).await;
    for site in 0..2 {
        world.submit(site, &spec, &[1; 4]).await;
    }
    let half = world.make(2, &spec, &[1; 4]);
    world.submit_to(0, 2, &half).await.unwrap();
    for node in 0..2 {
        let reason = world.failure(node, &spec).await;
        assert!(reason.contains("the floor is 3"), "{reason}");
    }
}

/// R8: sites of one operator count once: three sites of two operators are below a floor of three.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sites_of_one_operator_count_once_towards_the_floor() {
    let one_operator = |manifest: &mut haima_smpc_node::manifest::Manifest| {
        manifest.sites[1].operator = manifest.sites[0].operator.clone();
    };
    let world = World::running_with(2, one_operator).await;
    let spec = RoundSpec { deadline_ms: unix_millis() + 2000, ..world.spec("exact", 1) };
    world.open(&spec).await;
    for site in 0..3 {
        world.submit(site, &spec, &[1; 4]).await;
    }
    for node in 0..2 {
        let reason = world.failure(node, &spec).await;
        assert!(reason.contains("2 distinct operators"), "{reason}");
    }
}

/// R3, R7: a site that bends its share cannot prove it. It is left out, by name and with evidence,
/// and the round goes on without it; whatever part of the share it bends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_share_is_left_out_on_record() {
    let mut world = World::running(3).await;
    let proof_at = |sharding: &Sharding| sharding.shares[0].len() - 100;
    let mut previous = Digest::default();
    for (step, what) in (0_u32..).zip(["vector", "proof", "blind", "helper"]) {
        let number = u64::from(step) + 1;
        let spec = RoundSpec { step, plan_index: step, previous, ..world.spec("private", number) };
        world.open(&spec).await;
        for site in 0..3 {
            world.submit(site, &spec, &[1000; 4]).await;
        }
        let bent = world.make_bent(3, &spec, &[0; 4], |sharding| match what {
            "vector" => sharding.shares[0][5] ^= 1,
            "proof" => {
                let at = proof_at(sharding);
                sharding.shares[0][at] ^= 1;
            }
            "blind" => *sharding.shares[0].last_mut().unwrap() ^= 1,
            _ => sharding.shares[2][40] ^= 1,
        });
        world.submit_made(3, &bent).await;
        let bundle = world.bundle(&spec).await;
        previous = release_digest(&bundle);
        let verified = bundle.verify(&world.manifest).unwrap();
        assert_eq!(verified.accepted.refused.sites().collect::<Vec<_>>(), [SITES[3]], "{what}");
        assert_eq!(verified.accepted.headers.sites().collect::<Vec<_>>(), SITES[..3]);
        assert!(verified.integers.iter().all(|sum| (sum - 3000).abs() < 64 * 20), "{what}");
        let store = haima_smpc_node::server::Store::open(&world.config(1).store).await.unwrap();
        let evidence = store.evidence(&spec.digest()).await.unwrap();
        assert_eq!(evidence, [(SITES[3].to_owned(), 3)], "{what}");
    }
    world.crash(1).await;
    let key = world.manifest.identity("node-2").unwrap();
    let journal = &world.config(1).journal;
    let (_, records) = haima_smpc_node::audit::Audit::open(journal, "node-2", &key).unwrap();
    let refused: Vec<_> = records.iter().filter(|r| r.kind == "not accepted").collect();
    assert_eq!(refused.len(), 4);
    assert!(refused.iter().all(|r| r.subject == SITES[3] && r.text.contains("a node deviated")));
}

/// R3: a share of the right length that holds no field elements is left out too, and so is one
/// whose public share was made for other shares.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_that_are_no_elements_or_not_those_of_the_public_share_are_left_out() {
    let no_elements = |s: &mut Sharding| s.shares[0][..8].fill(0xff);
    // A lie about one node's part: that node alone would accept it.
    let one_part = |s: &mut Sharding| s.public[0] ^= 1;
    for bend in [&no_elements as &dyn Fn(&mut Sharding), &one_part] {
        let world = World::running(2).await;
        let spec = world.spec("private", 1);
        world.open(&spec).await;
        for site in 0..3 {
            world.submit(site, &spec, &[7; 4]).await;
        }
        let bent = world.make_bent(3, &spec, &[0; 4], bend);
        world.submit_made(3, &bent).await;
        let verified = world.bundle(&spec).await.verify(&world.manifest).unwrap();
        assert_eq!(verified.accepted.refused.sites().collect::<Vec<_>>(), [SITES[3]]);
    }
}

/// R3, R8: failed proofs count against the floor; the reason names the site, and the evidence
/// stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_falls_below_its_floor_by_failed_proofs_says_so() {
    let world = World::running(2).await;
    let spec = world.spec("private", 1);
    world.open(&spec).await;
    for site in 0..2 {
        world.submit(site, &spec, &[7; 4]).await;
    }
    for site in 2..4 {
        let bent = world.make_bent(site, &spec, &[0; 4], |s| s.shares[0][5] ^= 1);
        world.submit_made(site, &bent).await;
    }
    let reason = world.failure(0, &spec).await;
    assert!(reason.contains("the floor is 3") && reason.contains("site-d"), "{reason}");
    let store = haima_smpc_node::server::Store::open(&world.config(0).store).await.unwrap();
    let evidence = store.evidence(&spec.digest()).await.unwrap();
    assert_eq!(evidence, [(SITES[2].to_owned(), 2), (SITES[3].to_owned(), 2)]);
}

/// X2: an exact run does not go on with other sites, since the difference would be one hospital's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exact_run_does_not_go_on_with_other_sites() {
    let world = World::running(2).await;
    let spec = world.spec("exact", 1);
    world.open(&spec).await;
    for site in 0..4 {
        world.submit(site, &spec, &[1; 4]).await;
    }
    let previous = release_digest(&world.bundle(&spec).await);
    let next = RoundSpec {
        step: 1,
        plan_index: 1,
        previous,
        deadline_ms: unix_millis() + 1500,
        ..world.spec("exact", 2)
    };
    world.open(&next).await;
    for site in 0..3 {
        world.submit(site, &next, &[1; 4]).await;
    }
    let reason = world.failure(0, &next).await;
    assert!(reason.contains("X2"), "{reason}");
}

/// X2: nor does another exact task; and a site that was not in the first sum stays out of all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exact_tasks_of_a_study_are_all_over_the_sites_of_the_first() {
    let mut world = World::new(2);
    let mut other = world.manifest.tasks[0].clone();
    other.id = "exact-2".into();
    world.manifest.tasks.push(other);
    for node in 0..2 {
        world.start(node).await;
    }
    world.settle().await;
    let soon = || unix_millis() + 1500;
    let first = RoundSpec { deadline_ms: soon(), ..world.spec("exact", 1) };
    world.open(&first).await;
    for site in 0..3 {
        world.submit(site, &first, &[1; 4]).await;
    }
    world.bundle(&first).await;
    let all_four = world.spec("exact-2", 2);
    world.open(&all_four).await;
    for site in 0..4 {
        world.submit(site, &all_four, &[1; 4]).await;
    }
    let bundle = world.bundle(&all_four).await;
    let verified = bundle.verify(&world.manifest).unwrap();
    assert_eq!(verified.integers, [3; 4], "the fourth site is left out");
    let without_one = RoundSpec {
        step: 1,
        plan_index: 1,
        deadline_ms: soon(),
        previous: release_digest(&bundle),
        ..world.spec("exact-2", 3)
    };
    world.open(&without_one).await;
    for site in [0, 1, 3] {
        world.submit(site, &without_one, &[1; 4]).await;
    }
    let reason = world.failure(0, &without_one).await;
    assert!(reason.contains("X2"), "{reason}");
}

/// L4: a ledger that went back, or forked, is noticed by the nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_or_forked_ledger_is_refused() {
    let world = World::running(2).await;
    let spec = world.spec("private", 5);
    world.open(&spec).await;
    world.submit(0, &spec, &[1; 4]).await;
    let second = world.spec("exact", 6);
    world.open(&second).await;
    let mut made = world.make(0, &second, &[1; 4]);
    made.header.ledger_len = 4;
    let error = world.submit_to(0, 0, &made).await.unwrap_err().to_string();
    assert!(error.contains("4 entries") && error.contains("L4"), "{error}");
    made.header.ledger_len = 5;
    made.header.ledger_head = Digest::of(b"the other copy");
    let error = world.submit_to(0, 0, &made).await.unwrap_err().to_string();
    assert!(error.contains("forked"), "{error}");
    made.header.ledger_len = 6;
    world.submit_to(0, 0, &made).await.expect("a refusal changed nothing");
}

/// R2: shares of another length, another digest, or for a round that is not open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_submissions_are_refused_and_change_nothing() {
    let world = World::running(2).await;
    let spec = world.spec("exact", 1);
    let made = world.make(0, &spec, &[1; 4]);
    let error = world.submit_to(0, 0, &made).await.unwrap_err().to_string();
    assert!(error.contains("not open"), "{error}");
    world.open(&spec).await;
    for (what, expected, change) in [
        ("longer", "the share is over", |m: &mut world::Made| m.sealed[0].push(0)),
        ("shorter", "bytes instead of", |m| {
            m.sealed[0].pop();
        }),
        ("another digest", "header binds", |m| m.header.shares[0] = Digest::of(b"another")),
        ("flipped", "does not open", |m| m.sealed[0][2000] ^= 1),
        ("flipped under its digest", "does not open", |m| {
            m.sealed[0][2000] ^= 1;
            m.header.shares[0] = haima_smpc_node::header::sealed_digest(0, &m.sealed[0]);
        }),
        ("the other node's", "does not open", |m| {
            let len = m.sealed[0].len();
            m.sealed[0] = m.sealed[1].clone();
            m.sealed[0].resize(len, 0);
            m.header.shares[0] = haima_smpc_node::header::sealed_digest(0, &m.sealed[0]);
        }),
        ("too few digests", "1 share digests", |m| m.header.shares.truncate(1)),
        ("another public share", "public share", |m| m.public[0] ^= 1),
        ("a longer public share", "public share", |m| {
            m.public.push(0);
            m.header.public_share = haima_smpc_node::header::public_digest(&m.public);
        }),
        ("another nonce", "does not open", |m| m.header.nonce[0] ^= 1),
    ] as [(&str, &str, fn(&mut world::Made)); 10]
    {
        let mut bad = made.clone();
        change(&mut bad);
        let error = world.submit_to(0, 0, &bad).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{what}: {error}");
    }
    let signed =
        haima_smpc_node::header::SignedHeader::sign(&made.header, &world.sites[1].identity);
    let client = world.node_as(0, &world.sites[0]);
    assert!(
        client.submit(&signed, &made.public, &made.sealed[0]).await.is_err(),
        "signed by another"
    );
    world.submit_to(0, 0, &made).await.expect("nothing was kept of the refused ones");
}

/// A bundle with any part changed does not verify.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_bundle_does_not_verify() {
    let world = World::running(2).await;
    let good = world.released("exact").await;
    good.verify(&world.manifest).unwrap();
    assert_eq!(haima_smpc_node::bundle::Bundle::from_bytes(&good.to_bytes()).unwrap(), good);
    let mut bad = good.clone();
    bad.parts[0].sum.as_mut().unwrap()[0] ^= 1;
    assert!(bad.verify(&world.manifest).is_err(), "another sum");
    let mut bad = good.clone();
    bad.parts.swap(0, 1);
    assert!(bad.verify(&world.manifest).is_err(), "parts in another order");
    let mut bad = good.clone();
    bad.parts.pop();
    assert!(bad.verify(&world.manifest).is_err(), "a part is missing");
    let mut bad = good.clone();
    bad.spec.query = Digest::of(b"x");
    assert!(bad.verify(&world.manifest).is_err(), "another round");
}
