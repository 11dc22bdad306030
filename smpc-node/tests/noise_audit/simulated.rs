//! A study over a *simulated* transport: the shipped state machines of every site and node, stepped
//! in turn in this process, messages handed over as values. No socket, no database, no clock.
//!
//! What a node would read back from its store after a crash is what a step is resumed from here.
//! Keys, shares and seals come from one seed, so a study gives the same bytes on every run. A node
//! may carry a planted [`Fault`] in the one step that makes its noise.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use haima_crypto::encode::{Canonical, Digest};
use haima_crypto::field::Field128;
use haima_crypto::identity::IdentityKey;
use haima_crypto::secret::Seed;
use haima_crypto::share::Aggregate;
use haima_dp::units::Rate;
use haima_smpc_node::bundle::{Bundle, Part};
use haima_smpc_node::epoch::{Epoch, Keys, NodeSecret, Record};
use haima_smpc_node::header::{Header, SignedHeader, public_digest, sealed_digest};
use haima_smpc_node::manifest::{Class, Manifest, NoisePlan, Party, SiteParty, TaskEntry};
use haima_smpc_node::plan::Plan as CommittedPlan;
use haima_smpc_node::proof::{self, Proof};
use haima_smpc_node::record::{AcceptedSet, Release, Signed, sum_digest};
use haima_smpc_node::round::{Agreed, Closed, Collecting, Committed, Context, Ready};
use haima_smpc_node::spec::{BlockSpec, Hiding, RoundEvent, RoundSpec, ShareSpec};
use haima_smpc_node::submission::associated;
use haima_smpc_node::{Error, PROTOCOL, noise};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use zeroize::Zeroizing;

/// Bound of every site's vector.
const BOUND: u64 = 1 << 31;

/// What a node does wrong with its noise.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A scale of 0.9 s.
    SmallScale,
    /// No noise at all.
    Silent,
    /// One seed for all rounds.
    OneSeed,
}

/// What a study is made of.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) sites: usize,
    pub(crate) dimension: usize,
    pub(crate) s: u64,
    pub(crate) sensitivity: u64,
    /// Throws every state away after each step, and each node after each round.
    pub(crate) restarts: bool,
    /// The node with the fault, and the fault.
    pub(crate) fault: Option<(usize, Fault)>,
}

/// A submission as one node holds it.
struct Held {
    site: String,
    header: Header,
    public: Vec<u8>,
    sealed: Vec<u8>,
}

struct Node {
    name: String,
    position: usize,
    identity: IdentityKey,
    noise: Seed,
    keys: Keys,
    secret: NodeSecret,
    fault: Option<Fault>,
    /// Of each round: the submissions and all nodes' signed accepted sets.
    store: BTreeMap<Digest, (Vec<Held>, Vec<Signed>)>,
}

pub(crate) struct Study {
    plan: Plan,
    manifest: Arc<Manifest>,
    sites: Vec<(String, IdentityKey)>,
    nodes: Vec<Node>,
    epoch: Epoch,
    rng: StdRng,
}

/// A key that follows from a name and the study's seed.
fn secret(plan: &Plan, what: &str, index: usize) -> [u8; 32] {
    *Digest::of(format!("{} {what} {index}", plan.seed).as_bytes()).as_bytes()
}

fn identity(plan: &Plan, what: &str, index: usize) -> IdentityKey {
    IdentityKey::from_secret(&secret(plan, what, index))
}

fn manifest(plan: &Plan) -> Manifest {
    let party = |role: &str, index: usize| Party {
        name: format!("{role}-{index}"),
        operator: format!("operator of {role}-{index}"),
        identity: identity(plan, role, index).public().to_string(),
        tls: Digest::of(format!("{role} {index}").as_bytes()).to_string(),
        address: "simulated:1".into(),
    };
    let site = |index: usize| {
        let Party { name, operator, identity, tls, .. } = party("site", index);
        SiteParty { name, operator, identity, tls, max_patients: 1 << 20 }
    };
    let manifest = Manifest {
        version: 1,
        study: "audit".into(),
        revision: 1,
        amends: None,
        mode: haima_smpc_node::masking::Mode::Nodes,
        masking: None,
        min_sites: 2,
        max_dimension: plan.dimension as u32,
        round_ms: 1000,
        grace_ms: 1000,
        tick_ms: 10,
        hospitals_per_patient: 1,
        release_quorum: None,
        plan: String::new(),
        coordinator: party("coordinator", 0),
        nodes: (0..plan.nodes).map(|i| party("node", i)).collect(),
        sites: (0..plan.sites).map(site).collect(),
        tasks: vec![TaskEntry {
            id: "private".into(),
            task: "audit".into(),
            version: 1,
            class: Class::Private,
            max_steps: 1000,
            spare_attempts: 1000,
            needs_bound: false,
            noise: Some(NoisePlan {
                s: plan.s,
                draws: 1,
                q: 1.0,
                sensitivity: plan.sensitivity,
                dimension: plan.dimension as u64,
                delta: 1e-5,
                order: None,
            }),
            title: None,
            params: toml::Table::new(),
        }],
        schema: toml::Table::new(),
    };
    let committed = CommittedPlan::of(&manifest).digest().to_string();
    Manifest { plan: committed, ..manifest }.checked().unwrap()
}

/// The nodes from what they keep on disk: their keys, and what they stored.
fn start_nodes(plan: &Plan, manifest: &Manifest) -> (Vec<Node>, Epoch) {
    let digest = manifest.digest();
    let keys: Vec<Keys> = (0..plan.nodes)
        .map(|i| Keys::new(&Seed::from_bytes(secret(plan, "epoch", i))).unwrap())
        .collect();
    let names: Vec<&str> = manifest.nodes.iter().map(|node| node.name.as_str()).collect();
    let offers = keys.iter().enumerate();
    let offers = offers.map(|(i, key)| key.offer(&digest, names[i], &identity(plan, "node", i)));
    let epoch = Record(offers.collect()).verify(manifest).unwrap();
    let secrets: Vec<NodeSecret> = (0..plan.nodes)
        .map(|to| {
            let others = (0..plan.nodes).filter(|from| *from != to).map(|from| {
                let part = keys[from].sealed_part(&epoch, names[from], names[to]).unwrap();
                let part = keys[to].open_part(&epoch, names[from], names[to], &part).unwrap();
                (names[from].to_owned(), part)
            });
            keys[to].secret(&epoch, names[to], &others.collect()).unwrap()
        })
        .collect();
    let nodes = keys.into_iter().zip(secrets).enumerate().map(|(position, (keys, secret_))| Node {
        name: names[position].to_owned(),
        position,
        identity: identity(plan, "node", position),
        noise: Seed::from_bytes(secret(plan, "noise", position)),
        keys,
        secret: secret_,
        fault: plan.fault.and_then(|(node, fault)| (node == position).then_some(fault)),
        store: BTreeMap::new(),
    });
    (nodes.collect(), epoch)
}

impl Node {
    fn unseal(&self, spec: &RoundSpec, held: &Held) -> Zeroizing<Vec<u8>> {
        let node = (self.position, self.name.as_str());
        let Header { round, nonce, public_share, .. } = &held.header;
        let aad = associated(spec, round, &held.site, node, *nonce, public_share);
        self.keys.sealing.open(&aad, &held.sealed).unwrap()
    }

    /// This node's noise, as shipped but for a planted fault.
    fn noise(&self, spec: &RoundSpec, accepted: &Digest) -> Zeroizing<Vec<i64>> {
        let (round, none, len) = (spec.digest(), Digest::default(), spec.dimension());
        let draw = |round, set, event| noise::draw(&self.noise, round, set, event, len).unwrap();
        match (self.fault, spec.event) {
            (Some(Fault::SmallScale), RoundEvent::DiscreteGaussian { s, .. }) => {
                draw(&round, accepted, noised(s * 9 / 10))
            }
            (Some(Fault::Silent), _) => draw(&round, accepted, RoundEvent::Exact),
            (Some(Fault::OneSeed), event) => draw(&none, &none, event),
            (_, event) => draw(&round, accepted, event),
        }
    }

    /// The accepted shares' sum with this node's noise.
    fn noised_sum(&self, ready: &Ready, nodes: usize) -> Result<Vec<u8>, Error> {
        let Context { spec, digest, .. } = ready.context();
        let mut sum = Aggregate::<Field128>::new(self.position, spec.dimension());
        for site in ready.accepted().headers.sites() {
            let held = self.store[digest].0.iter().find(|held| held.site == site).unwrap();
            let share = self.unseal(spec, held);
            proof::accumulate(spec, nodes, self.position, &share, &mut sum)?;
        }
        sum.add_integers(&self.noise(spec, &ready.accepted().digest()))?;
        Ok(sum.to_bytes())
    }
}

/// The one place that makes a noised event.
fn noised(s: u64) -> RoundEvent {
    RoundEvent::DiscreteGaussian { s, q: Rate::ALL }
}

impl Study {
    pub(crate) fn new(plan: Plan) -> Self {
        let manifest = Arc::new(manifest(&plan));
        let (nodes, epoch) = start_nodes(&plan, &manifest);
        let sites = manifest.sites.iter().enumerate();
        let sites = sites.map(|(i, site)| (site.name.clone(), identity(&plan, "site", i)));
        let rng = StdRng::seed_from_u64(plan.seed);
        Self { sites: sites.collect(), plan, manifest, nodes, epoch, rng }
    }

    /// The spec of the `index`-th round of the study, at a step and attempt.
    pub(crate) fn spec(&self, index: u32, step: u32, attempt: u32, previous: Digest) -> RoundSpec {
        let Plan { dimension, nodes, .. } = self.plan;
        RoundSpec {
            protocol: PROTOCOL,
            manifest: self.manifest.digest(),
            study: self.manifest.study.clone(),
            number: u64::from(index) + 1,
            task_id: "private".into(),
            task: "audit".into(),
            task_version: 1,
            run: 1,
            step,
            attempt,
            plan_index: index,
            query: Digest::of(b"query"),
            previous,
            roster: self.manifest.roster_digest(),
            epoch: self.epoch.digest,
            blocks: vec![BlockSpec {
                len: dimension as u32,
                frac_bits: crate::patients::FRAC_BITS,
            }],
            hiding: Hiding::Shares(ShareSpec::new(dimension, BOUND, nodes).unwrap()),
            sensitivity: self.plan.sensitivity,
            bound: BOUND,
            event: noised(self.plan.s),
            min_sites: 2,
            deadline_ms: 1,
            tick_ms: 10,
        }
    }

    /// A vector shared, proved, sealed and signed as a site does it, but from the study's seed.
    fn submit(
        &mut self,
        spec: &RoundSpec,
        proof: &Proof,
        site: usize,
        vector: &[i64],
    ) -> Vec<Held> {
        let (name, key) = &self.sites[site];
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        let sharding = proof.shard(vector, &nonce, &mut self.rng).unwrap();
        let (round, public_share) = (spec.digest(), public_digest(&sharding.public));
        let mut sealed = Vec::new();
        for (at, (offer, share)) in self.epoch.offers.iter().zip(&sharding.shares).enumerate() {
            let aad = associated(spec, &round, name, (at, &offer.node), nonce, &public_share);
            sealed.push(offer.sealing.seal(&aad, share, &mut self.rng).unwrap());
        }
        let shares = sealed.iter().enumerate().map(|(at, bytes)| sealed_digest(at, bytes));
        let header = Header {
            round,
            site: name.clone(),
            nonce,
            public_share,
            shares: shares.collect(),
            ledger_len: spec.number,
            ledger_head: Digest::default(),
        };
        let signed = SignedHeader::sign(&header, key);
        let header = signed.verify(name, &key.public(), &round, sealed.len()).unwrap();
        let held = sealed.into_iter().map(|sealed| Held {
            site: name.clone(),
            header: header.clone(),
            public: sharding.public.clone(),
            sealed,
        });
        held.collect()
    }

    /// One round from the sites' vectors to the released bundle.
    pub(crate) fn round(
        &mut self,
        spec: &RoundSpec,
        vectors: &[Vec<i64>],
    ) -> Result<Bundle, Error> {
        for (party, ..) in self.manifest.parties() {
            spec.check(&self.manifest, party)?;
        }
        let proof = Proof::new(spec, self.nodes.len())?;
        let mut held: Vec<Vec<Held>> = self.nodes.iter().map(|_| vec![]).collect();
        for (site, vector) in vectors.iter().enumerate() {
            let submission = self.submit(spec, &proof, site, vector);
            held.iter_mut().zip(submission).for_each(|(node, share)| node.push(share));
        }
        for (node, held) in self.nodes.iter_mut().zip(held) {
            node.store.insert(spec.digest(), (held, vec![]));
        }
        let agreed = self.agree(spec, &proof)?;
        let bundle = self.release(spec, agreed)?;
        if self.plan.restarts {
            self.restart();
        }
        Ok(bundle)
    }

    /// From open to signed accepted sets at every node.
    fn agree(&mut self, spec: &RoundSpec, proof: &Proof) -> Result<Vec<Agreed>, Error> {
        let (round, restarts) = (spec.digest(), self.plan.restarts);
        let context =
            |node: &Node| Context::new(spec.clone(), &node.name, Arc::clone(&self.manifest));
        let all = |signed: &[Signed],
                   take: &mut dyn FnMut(&str, &Signed) -> Result<(), Error>,
                   own: usize| {
            let mut peers = self.nodes.iter().zip(signed).filter(|(node, _)| node.position != own);
            peers.try_for_each(|(peer, signed)| take(&peer.name, signed))
        };

        let (mut closed, mut held) = (vec![], vec![]);
        for node in &self.nodes {
            let shares = node.store[&round].0.iter();
            let stored: Vec<_> =
                shares.map(|share| (share.site.clone(), share.header.digest())).collect();
            assert_eq!(stored.len(), self.manifest.sites.len());
            let collecting = Collecting::new(context(node), stored);
            let (state, signed) = collecting.close(&node.identity);
            closed.push(if restarts { Closed::resume(context(node), &signed)? } else { state });
            held.push(signed);
        }

        let (mut committed, mut prepared, mut preps) = (vec![], vec![], vec![]);
        for (node, mut closed) in self.nodes.iter().zip(closed) {
            all(&held, &mut |peer, signed| closed.held(peer, signed), node.position)?;
            let candidates = closed.candidates()?;
            let key = node.secret.verify_key(&spec.manifest, &round);
            let own = node.store[&round].0.iter().map(|held| {
                let share = node.unseal(spec, held);
                proof.prep(&key, node.position, &held.header.nonce, &held.public, &share)
            });
            let own = own.collect::<Result<Vec<_>, _>>()?;
            let (state, signed) = candidates.commit(&own, &node.identity);
            let resumed = restarts.then(|| Committed::resume(context(node), &signed));
            committed.push(resumed.transpose()?.unwrap_or(state));
            prepared.push(signed);
            preps.push(own);
        }

        let (mut agreed, mut accepted) = (vec![], vec![]);
        for (node, mut committed) in self.nodes.iter().zip(committed) {
            all(&prepared, &mut |peer, signed| committed.prepared(peer, signed), node.position)?;
            let revealed = committed.reveal()?;
            for (peer, preps) in self.nodes.iter().zip(&preps) {
                revealed.check(&peer.name, preps)?;
            }
            for (index, held) in node.store[&round].0.iter().enumerate() {
                let preps: Vec<&[u8]> = preps.iter().map(|of| of[index].as_slice()).collect();
                proof.decide(&held.public, &preps)?;
            }
            let (state, signed) = revealed.agree(&BTreeSet::new(), &node.identity, None)?;
            agreed.push(if restarts { Agreed::resume(context(node), &signed)? } else { state });
            accepted.push(signed);
        }
        for (node, agreed) in self.nodes.iter().zip(&mut agreed) {
            all(&accepted, &mut |peer, signed| agreed.accepted(peer, signed), node.position)?;
        }
        for node in &mut self.nodes {
            node.store.get_mut(&round).unwrap().1.clone_from(&accepted);
        }
        Ok(agreed)
    }

    /// From signed accepted sets to the bundle: every node commits to its noised sum before any
    /// sum is shown.
    fn release(&self, spec: &RoundSpec, agreed: Vec<Agreed>) -> Result<Bundle, Error> {
        let (mut commitments, mut sums) = (vec![], vec![]);
        for (node, agreed) in self.nodes.iter().zip(agreed) {
            let ready = agreed.finish()?;
            let sum = node.noised_sum(&ready, self.nodes.len())?;
            let release = Release {
                round: spec.digest(),
                node: node.name.clone(),
                accepted: ready.accepted().digest(),
                sum: sum_digest(&sum),
            };
            commitments.push((ready.signed().clone(), Signed::new(&release, &node.identity)));
            sums.push(sum);
        }
        let parts = commitments.into_iter().zip(sums);
        let parts =
            parts.map(|((accepted, release), sum)| Part { accepted, release, sum: Some(sum) });
        Ok(Bundle { spec: spec.clone(), parts: parts.collect() })
    }

    /// All nodes anew from their keys and stores.
    fn restart(&mut self) {
        let (mut nodes, epoch) = start_nodes(&self.plan, &self.manifest);
        assert_eq!(epoch, self.epoch);
        for (node, old) in nodes.iter_mut().zip(&mut self.nodes) {
            node.store = std::mem::take(&mut old.store);
        }
        self.nodes = nodes;
    }

    /// A round of before, made again by nodes that have just started, from what they stored.
    pub(crate) fn again(&mut self, spec: &RoundSpec) -> Result<Bundle, Error> {
        self.restart();
        let mut agreed = vec![];
        for node in &self.nodes {
            let accepted = &node.store[&spec.digest()].1;
            let context = Context::new(spec.clone(), &node.name, Arc::clone(&self.manifest));
            let mut state = Agreed::resume(context, &accepted[node.position])?;
            for peer in self.nodes.iter().filter(|peer| peer.position != node.position) {
                state.accepted(&peer.name, &accepted[peer.position])?;
            }
            agreed.push(state);
        }
        self.release(spec, agreed)
    }

    /// What the public sees when it knows every contribution: the noise of all nodes.
    pub(crate) fn public_view(&self, bundle: &Bundle, known: &[Vec<i64>]) -> Vec<i64> {
        let bytes = bundle.to_bytes();
        let bundle = Bundle::from_bytes(&bytes).unwrap();
        let released = bundle.verify(&self.manifest).unwrap().integers;
        let view = released.iter().enumerate().map(|(at, sum)| {
            let known: i128 = known.iter().map(|vector| i128::from(vector[at])).sum();
            i64::try_from(sum - known).unwrap()
        });
        view.collect()
    }

    /// What the worst coalition sees: all sites, and all nodes but `honest`, subtract what they
    /// know. Left is that node's noise, and what the known contributions lack.
    pub(crate) fn coalition_view(
        &self,
        bundle: &Bundle,
        known: &[Vec<i64>],
        honest: usize,
    ) -> Vec<i64> {
        let mut view = self.public_view(bundle, known);
        let part = &bundle.parts[0].accepted;
        let key = self.manifest.identity(&self.nodes[0].name).unwrap();
        let accepted: AcceptedSet = part.verify("node-0", &key, "accepted set").unwrap();
        for node in self.nodes.iter().filter(|node| node.position != honest) {
            let noise = node.noise(&bundle.spec, &accepted.digest());
            view.iter_mut().zip(noise.iter()).for_each(|(view, noise)| *view -= noise);
        }
        view
    }
}
