//! A study in masked mode of real sites, whose coordinator is the test itself, with the coordinator's
//! own keys: honest at every step but the ones that the test is about.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use haima::coordinator::board::{Message, Step};
use haima::coordinator::hub::Hub;
use haima::coordinator::study::serve;
use haima::site::Policy;
use haima::sum::masked::{
    ADVERTISEMENTS, AGREEMENTS, MaskedSum, context, epoch_context, write_list,
};
use haima::sum::plan::{Place, absorbable, open_run, plan, query_bytes};
use haima::sum::release::Release;
use haima_crypto::encode::{Canonical, Decoder, Digest, Encoder};
use haima_crypto::identity::IdentityKey;
use haima_crypto::secagg::{
    Advertisement, Agreement, Collecting, Confirmation, Confirming, Delivery, MaskedInput,
    Partition, Relaying, RoundContext, SharesMessage, Summing, UnmaskRequest, UnmaskShares,
    Unmasking,
};
use haima_fl_core::task::{Query, Run};
use haima_smpc_node::manifest::Manifest;
use haima_smpc_node::spec::RoundSpec;
use haima_smpc_node::tls::TlsIdentity;
use haima_smpc_node::{keyfile, unix_millis};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, channel};

use crate::common::{BMT, Running, Setup, task};

/// All positions of the roster.
pub(crate) const ALL: [u32; 4] = [0, 1, 2, 3];
/// Most bytes of any message.
const MOST: usize = 1 << 20;
/// A test that waits longer than this for a site has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The study and its coordinator.
pub(crate) struct Played {
    pub(crate) running: Running,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) key: IdentityKey,
    pub(crate) hub: Arc<Hub>,
    /// Names in the roster's order.
    pub(crate) sites: Vec<String>,
    /// Of the last round that was planned.
    pub(crate) number: u64,
    /// Of the sites' keys.
    pub(crate) epoch: Digest,
    inbox: Inbox,
    run: Box<dyn Run>,
    /// What the sums so far lead to.
    pub(crate) query: Query,
    previous: Digest,
}

impl Played {
    /// Four hospitals (t = 3, c = 1) that have joined for an exact Cox model, and no keys yet.
    pub(crate) async fn joined(change: impl FnOnce(&mut Setup)) -> Self {
        let params = "time = \"dfs_days\"\nevent = \"dfs_event\"\ncovariates = [\"patient_age\"]\n";
        let cox = task("cox", "cox", 20, params).replace("attempts = 4", "attempts = 20");
        let mut setup = Setup::new(&[BMT.to_owned(), cox].concat(), "data/bmt_klein.csv").masked();
        change(&mut setup);
        let mut running = setup.make();
        let home = running.network.folder("coordinator").unwrap().to_owned();
        let manifest = Arc::new(running.network.manifest.clone());
        let key = keyfile::read_identity(&home.join("identity.key")).unwrap();
        let tls = TlsIdentity::read(&home.join("tls.crt"), &home.join("tls.key")).unwrap();
        let hub = Arc::new(Hub::default());
        serve(&manifest, &tls, &hub).await.unwrap();
        running.network.start_all().unwrap();
        let sites: Vec<String> = manifest.sites.iter().map(|site| site.name.clone()).collect();
        let mut joined = hub.joined();
        let all = joined.wait_for(|joined| joined.len() == sites.len());
        tokio::time::timeout(PATIENCE, all).await.unwrap().unwrap();
        let entry = manifest.task("cox").unwrap();
        let run = open_run(&manifest, entry, &BTreeMap::default()).unwrap();
        let query = run.query().unwrap();
        hub.add_query("cox", 1, 0, query_bytes(&query));
        let (epoch, previous) = (Digest::default(), Digest::default());
        let inbox = Arc::new(Mutex::new(channel(1).1));
        Self { running, manifest, key, hub, sites, number: 0, epoch, inbox, run, query, previous }
    }

    /// The same with the keys of an honest epoch.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut played = Self::joined(change).await;
        played.epoch(1).await;
        played
    }

    /// Announces an epoch of keys, as the coordinator may.
    pub(crate) fn announce(&self, number: u64) -> Scope {
        let context = epoch_context(&self.manifest, number).unwrap();
        let scope = self.open(*context.digest());
        self.hub.start_epoch(number, &self.key.sign(context.digest()));
        scope
    }

    /// The same, and the keys that all sites advertise for it.
    pub(crate) async fn advertised(&self, number: u64) -> (Scope, Vec<Advertisement>) {
        let scope = self.announce(number);
        let keys = scope.gather(Step::Keys, &ALL).await.into_values();
        (scope, keys.map(|bytes| Advertisement::from_bytes(&bytes).unwrap()).collect())
    }

    /// An honest epoch.
    pub(crate) async fn epoch(&mut self, number: u64) {
        let (scope, keys) = self.advertised(number).await;
        self.epoch = epoch_context(&self.manifest, number).unwrap().close(&keys).unwrap();
        scope.post(Step::Keys, None, write_list(ADVERTISEMENTS, &keys));
        for (site, agreements) in (0..).zip(&scope.pairs().await) {
            scope.post(Step::Pairs, Some(site), write_list(AGREEMENTS, agreements));
        }
        scope.gather(Step::Ready, &ALL).await;
    }

    /// Opens an epoch or a round, without a word to the sites.
    pub(crate) fn open(&self, digest: Digest) -> Scope {
        let steps = [
            Step::Keys,
            Step::Pairs,
            Step::Ready,
            Step::Shares,
            Step::Vector,
            Step::Confirmation,
            Step::Answer,
        ];
        let inbox = self.hub.board.open(digest, &steps.map(|step| (step, MOST)));
        *self.inbox.try_lock().unwrap() = inbox;
        let (hub, inbox) = (Arc::clone(&self.hub), Arc::clone(&self.inbox));
        Scope { digest, hub, sites: self.sites.clone(), inbox }
    }

    /// The open epoch or round is over: nobody waits for an answer any more.
    pub(crate) fn close(&self) {
        self.hub.board.close("it is over");
        *self.inbox.try_lock().unwrap() = channel(1).1;
    }

    /// The honest spec of a step's attempt.
    pub(crate) fn spec(&mut self, step: u32, attempt: u32) -> RoundSpec {
        self.number += 1;
        let place = Place {
            number: self.number,
            run: 1,
            step,
            attempt,
            plan_index: (step + attempt).max(u32::try_from(self.number).unwrap() - 1),
            previous: self.previous,
            epoch: self.epoch,
            deadline_ms: unix_millis() + 10_000,
        };
        let entry = self.manifest.task("cox").unwrap();
        plan(&self.manifest, self.manifest.digest(), entry, &self.query, &place).unwrap()
    }

    /// Signs and announces a round.
    pub(crate) fn start(&self, spec: &RoundSpec) -> Round {
        let scope = self.open(spec.digest());
        self.hub.start_round(spec, &self.key.sign(&spec.digest()));
        Round { spec: spec.clone(), context: context(&self.manifest, spec).unwrap(), scope }
    }

    /// Announces the honest round of a step's attempt.
    pub(crate) fn begin(&mut self, step: u32, attempt: u32) -> Round {
        let spec = self.spec(step, attempt);
        self.start(&spec)
    }

    /// An honest round over `survivors`; the others' vectors are said not to have come.
    pub(crate) async fn honest(&mut self, step: u32, attempt: u32, survivors: &[u32]) -> MaskedSum {
        let spec = self.spec(step, attempt);
        self.honest_round(&spec, survivors).await
    }

    /// The same for a spec.
    pub(crate) async fn honest_round(&mut self, spec: &RoundSpec, survivors: &[u32]) -> MaskedSum {
        let round = self.start(spec);
        let confirming = round.until_partition(survivors).await;
        let unmasking = round.confirmed(confirming, survivors).await;
        let sum = round.answered(unmasking, survivors, &self.key).await;
        self.close();
        sum
    }

    /// Serves a sum and goes on from it.
    pub(crate) fn release(&mut self, sum: &MaskedSum) {
        self.serve(sum.spec.step, sum);
        let release = Release::read(&sum.to_bytes(), &self.manifest).unwrap();
        self.previous = release.digest;
        self.run.absorb(&absorbable(&self.query, release).unwrap()).unwrap();
        self.query = self.run.query().unwrap();
        self.hub.add_query("cox", 1, sum.spec.step + 1, query_bytes(&self.query));
    }

    /// Goes back to the task's start.
    pub(crate) fn go_back(&mut self) {
        let entry = self.manifest.task("cox").unwrap();
        self.run = open_run(&self.manifest, entry, &BTreeMap::default()).unwrap();
        (self.query, self.previous) = (self.run.query().unwrap(), Digest::default());
    }

    /// Serves a sum as that of a step.
    pub(crate) fn serve(&self, step: u32, sum: &MaskedSum) {
        self.hub.add_release("cox", 1, step, sum.to_bytes());
    }

    /// Announces a round that no site begins, each for a reason with this text.
    pub(crate) async fn all_refuse(&self, spec: &RoundSpec, text: &str) {
        let scope = self.open(spec.digest());
        self.hub.start_round(spec, &self.key.sign(&spec.digest()));
        self.stopped(&scope, &ALL, Step::Shares, text).await;
    }

    /// Announces a run that no site begins before its people approve it, has them do so for runs 1 and 2,
    /// over other sites too where `others`, and starts the sites again. The entry stands in a site's own
    /// log; it follows from the data, so the coordinator is not told it (rule S5).
    pub(crate) async fn approve(&mut self, spec: &RoundSpec, others: bool) {
        self.all_refuse(spec, "needs approval (approved_reruns, rule X2)").await;
        let (_, reports) = self.hub.round_reports(&spec.digest());
        assert!(reports.iter().all(|(_, reason)| !reason.contains('@')), "{reports:?}");
        let place = format!("{}/{}@", spec.task_id, spec.run);
        for name in &self.sites {
            let folder = self.running.network.folder(name).unwrap();
            let log = std::fs::read_to_string(folder.join("log")).unwrap();
            let (_, entry) = log.rsplit_once(&place).unwrap();
            let runs =
                [1, 2].map(|run| format!("{}/{run}@{}", spec.task_id, &entry[..32])).to_vec();
            let path = folder.join("policy.toml");
            let mut policy = Policy::read(&path).unwrap();
            if others {
                policy.approved_other_sites.clone_from(&runs);
            }
            policy.approved_reruns = runs;
            std::fs::write(&path, toml::to_string(&policy).unwrap()).unwrap();
        }
        self.restart();
    }

    /// Waits until sites have refused to go on with a round, for a reason with this text, and none has
    /// answered.
    pub(crate) async fn refused(&self, round: &Round, sites: &[u32], text: &str) {
        self.stopped(&round.scope, sites, Step::Answer, text).await;
    }

    /// Waits until sites that have submitted have refused to go on, for a reason with this text: what
    /// they submitted stands, so only their own logs tell.
    pub(crate) async fn refused_afterwards(&self, sites: &[u32], text: &str) {
        let until = Instant::now() + PATIENCE;
        let refuses = |site: &u32| self.running.log_says(&self.sites[*site as usize], text);
        while !sites.iter().all(refuses) {
            assert!(Instant::now() < until, "{text:?}: {}", self.running.logs());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn stopped(&self, scope: &Scope, sites: &[u32], before: Step, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let (bytes, reports) = self.hub.round_reports(&scope.digest);
            scope.nothing_of(before);
            let refuses = |site: &u32| {
                let name = &self.sites[*site as usize];
                reports.iter().any(|(from, reason)| from == name && reason.contains(text))
            };
            if sites.iter().all(refuses) {
                assert_eq!(bytes, 0, "a site that refuses has not submitted");
                return;
            }
            assert!(Instant::now() < until, "{text:?}: {reports:?} {}", self.running.logs());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until sites have a line with these texts in their logs.
    pub(crate) async fn logged(&self, sites: &[u32], texts: &[&str]) {
        let until = Instant::now() + PATIENCE;
        for site in sites {
            let log = self.running.network.folder(&self.sites[*site as usize]).unwrap().join("log");
            let said = || {
                let log = std::fs::read_to_string(&log).unwrap();
                log.lines().any(|line| texts.iter().all(|text| line.contains(text)))
            };
            while !said() {
                assert!(Instant::now() < until, "{texts:?}: {}", self.running.logs());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// The same where the reason is for the sites' own logs.
    pub(crate) async fn all_refuse_in_log(&self, spec: &RoundSpec, text: &str) {
        self.all_refuse(spec, "").await;
        let round = format!("round={}", spec.digest().short());
        self.logged(&ALL, &[&round, text]).await;
    }

    /// Waits until each site has charged so many exact rounds, and not one more.
    pub(crate) async fn charged(&self, rounds: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let ledgers = self.hub.ledgers();
            let charged: Vec<u64> = ledgers.values().map(|ledger| ledger.exact_releases).collect();
            if charged == [rounds; 4] {
                return;
            }
            assert!(Instant::now() < until, "{charged:?} instead of {rounds} rounds are charged");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Kills all sites and starts them again.
    pub(crate) fn restart(&mut self) {
        self.hub.end_round();
        for site in self.sites.clone() {
            self.running.network.kill(&site);
            self.running.network.start(&site).unwrap();
        }
    }
}

/// What sites put in; those whose message is in it when another takes its place are told so.
type Inbox = Arc<Mutex<Receiver<Message>>>;

/// An open epoch or round.
pub(crate) struct Scope {
    digest: Digest,
    hub: Arc<Hub>,
    sites: Vec<String>,
    inbox: Inbox,
}

impl Scope {
    /// One message of each of `from`; what others put, and what is of another step, is not taken.
    pub(crate) async fn gather(&self, step: Step, from: &[u32]) -> BTreeMap<u32, Vec<u8>> {
        let (mut came, mut inbox) = (BTreeMap::new(), self.inbox.lock().await);
        while came.len() < from.len() {
            let message = tokio::time::timeout(PATIENCE, inbox.recv()).await;
            let Ok(Some(Message { site, step: of, bytes, reply })) = message else {
                panic!("{step:?} of {from:?}: {:?} came", came.keys());
            };
            let position = self.sites.iter().position(|name| *name == site).unwrap() as u32;
            let taken = of == step && from.contains(&position);
            let _ = reply.send(if taken { Ok(()) } else { Err("not taken".into()) });
            if taken {
                came.insert(position, bytes);
            }
        }
        came
    }

    /// The agreements of all sites, by whom they are for.
    pub(crate) async fn pairs(&self) -> [Vec<Agreement>; 4] {
        let mut inboxes: [Vec<Agreement>; 4] = Default::default();
        for bytes in self.gather(Step::Pairs, &ALL).await.into_values() {
            for agreement in read_list::<Agreement>(AGREEMENTS, &bytes) {
                inboxes[agreement.to as usize].push(agreement);
            }
        }
        inboxes
    }

    /// Posts to one site or to all.
    pub(crate) fn post(&self, step: Step, site: Option<u32>, bytes: Vec<u8>) {
        let site = site.map(|site| self.sites[site as usize].as_str());
        self.hub.board.post(step, site, bytes);
    }

    /// Turns away what has come, which must be of no such step and of none after it.
    fn nothing_of(&self, least: Step) {
        let mut inbox = self.inbox.try_lock().unwrap();
        while let Ok(Message { site, step, reply, .. }) = inbox.try_recv() {
            assert!(step < least, "{site} goes on to {step:?}");
            let _ = reply.send(Err("not taken".into()));
        }
    }
}

/// A round that was announced.
pub(crate) struct Round {
    pub(crate) spec: RoundSpec,
    pub(crate) context: RoundContext,
    pub(crate) scope: Scope,
}

impl Round {
    pub(crate) fn post(&self, step: Step, site: Option<u32>, message: &impl Canonical) {
        self.scope.post(step, site, message.to_bytes());
    }

    /// Takes the shares of `from`.
    pub(crate) async fn shared(&self, from: &[u32]) -> Relaying {
        let mut collecting = Collecting::new(self.context.clone());
        for bytes in self.scope.gather(Step::Shares, from).await.values() {
            collecting.add(SharesMessage::from_bytes(bytes).unwrap()).unwrap();
        }
        collecting.close().unwrap()
    }

    /// Delivers to each site.
    pub(crate) fn deliver(&self, delivery: impl Fn(u32) -> Delivery) {
        for site in ALL {
            self.post(Step::Shares, Some(site), &delivery(site));
        }
    }

    /// Takes the vectors of `from`.
    pub(crate) async fn summed(&self, mut summing: Summing, from: &[u32]) -> Confirming {
        for bytes in self.scope.gather(Step::Vector, from).await.values() {
            summing.add(&MaskedInput::from_bytes(bytes).unwrap()).unwrap();
        }
        summing.close().unwrap()
    }

    /// All share and mask; the partition has `survivors` and is not posted.
    pub(crate) async fn until_vectors(&self, survivors: &[u32]) -> Confirming {
        let relaying = self.shared(&ALL).await;
        self.deliver(|site| relaying.delivery(site).unwrap());
        self.summed(relaying.sum(), survivors).await
    }

    /// The same, posted to all.
    pub(crate) async fn until_partition(&self, survivors: &[u32]) -> Confirming {
        let confirming = self.until_vectors(survivors).await;
        self.post(Step::Vector, None, confirming.partition());
        confirming
    }

    /// What `from` confirm.
    pub(crate) async fn confirmations(&self, from: &[u32]) -> Vec<Confirmation> {
        let came = self.scope.gather(Step::Confirmation, from).await.into_values();
        came.map(|bytes| Confirmation::from_bytes(&bytes).unwrap()).collect()
    }

    /// Takes the confirmations of `from`.
    pub(crate) async fn confirmed(&self, mut state: Confirming, from: &[u32]) -> Unmasking {
        for confirmation in self.confirmations(from).await {
            state.add(&confirmation).unwrap();
        }
        state.close().unwrap()
    }

    /// Asks for the masks, takes the answers of `from`, and signs the sum.
    pub(crate) async fn answered(
        &self,
        mut unmasking: Unmasking,
        from: &[u32],
        key: &IdentityKey,
    ) -> MaskedSum {
        let (cohort, request) = (*unmasking.cohort(), unmasking.request().clone());
        self.post(Step::Confirmation, None, &request);
        for bytes in self.scope.gather(Step::Answer, from).await.values() {
            unmasking.add(&UnmaskShares::from_bytes(bytes).unwrap()).unwrap();
        }
        let seeds = unmasking.seeds(&mut rand::rng()).unwrap();
        MaskedSum::sign(&self.spec, cohort, request, unmasking.unmask(seeds), key)
    }

    /// Asks a site, or all, for the masks of a partition that these have confirmed.
    pub(crate) fn request(&self, site: Option<u32>, partition: &Partition, by: &[Confirmation]) {
        let confirmations = by.iter().map(|one| (one.origin.site, one.signature)).collect();
        let request = UnmaskRequest { partition: partition.clone(), confirmations };
        self.post(Step::Confirmation, site, &request);
    }
}

/// What the coordinator signs once it has changed a sum.
pub(crate) fn signed_again(sum: &MaskedSum, key: &IdentityKey) -> MaskedSum {
    let bytes = sum.to_bytes();
    // All but the signature, under a label of its own.
    let label = Encoder::new(MaskedSum::LABEL).finish().len();
    let mut to = Encoder::new("haima masked sum signed 1").finish();
    to.extend_from_slice(&bytes[label..bytes.len() - 64]);
    MaskedSum { signature: key.sign(&Digest::of(&to)), ..sum.clone() }
}

fn read_list<T: Canonical>(label: &'static str, bytes: &[u8]) -> Vec<T> {
    let mut from = Decoder::new(label, bytes).unwrap();
    let count = from.count(ALL.len(), 4).unwrap();
    (0..count).map(|_| T::from_bytes(from.bytes(MOST).unwrap()).unwrap()).collect()
}
