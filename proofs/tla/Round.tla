------------------------------- MODULE Round -------------------------------
(***************************************************************************)
(* One step of a study at the SMPC nodes: the attempts (rounds) at it,      *)
(* sites that submit or do not, nodes that stop at any point, start again,  *)
(* or are put back to an old copy of their database. README.md says which   *)
(* function of the shipped code each action stands for, and what is left    *)
(* out. The rules are constants, so that a configuration can switch one off *)
(* and show what goes wrong then.                                           *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets

CONSTANTS
  Nodes, Sites,
  BadSites,         \* sites whose proof does not hold
  Floor,            \* min_sites; each site is an operator of its own
  Rounds,           \* attempts that the coordinator may open
  MaxCrashes, MaxRestores,
  AllHold,          \* R3: a candidate is held by all nodes
  ProofsChecked,    \* R3: a site whose proof fails is left out
  StoredFirst,      \* N3, R4: what is signed is stored before it is shown
  FloorChecked,     \* R8: the floor is checked over the accepted set
  HistoryChecked,   \* L1: no attempt while an earlier one has not failed
  SeenChecked,      \* N3: no work on what a peer has seen this node sign
  LateFails,        \* R9: a node that starts after the deadline fails the round
  WaitsOnceSigned,  \* a node that has signed the accepted set ignores the clock
  VouchesSigned,    \* only a node that knows its signed accepted set signs that it gave up
  VouchesFresh,     \* and only if it has signed that set since it last started
  Copy,             \* an old copy is from when rounds were "open", or "agreed"
  Liar              \* a peer tells anybody, without a signature, that it failed

VARIABLES
  state,     \* on disk: how far a node is in a round
  subs,      \* on disk: complete submissions
  set,       \* on disk: the held set, then the candidates, then the accepted set
  saw,       \* on disk: <<m, n, r>>: m has seen n's held set of round r
  up,        \* nodes that run
  shown,     \* the sets that were ever signed and shown, by kind, node and round
  clock,     \* of a round: 0 before its deadline, 1 after it, 2 after the grace
  crashes, restores,
  out,       \* sums that the coordinator may have, as <<round, accepted set>>
  gone,      \* <<n, r>>: n has given r up
  word,      \* <<n, r>>: n has signed that it gave r up and never committed to a sum of it
  back,      \* nodes whose database was put back
  late,      \* <<n, r>>: n started after r's deadline without a signed accepted set
  fresh      \* <<n, r>>: n has signed r's accepted set since it last started, and not committed

vars ==
  <<state, subs, set, saw, up, shown, clock, crashes, restores, out, gone, word, back, late, fresh>>

Attempts == 1..Rounds
Kinds == {"held", "prepared", "accepted", "release"}
Unsigned == {"open", "closed", "prepared"}
Waiting == {"closed", "prepared", "agreed", "committed"}
Ended == {"released", "failed"}

Init ==
  /\ state = [n \in Nodes, r \in Attempts |-> "none"]
  /\ subs = [n \in Nodes, r \in Attempts |-> {}]
  /\ set = [n \in Nodes, r \in Attempts |-> {}]
  /\ saw = {}
  /\ up = Nodes
  /\ shown = [k \in Kinds, n \in Nodes, r \in Attempts |-> {}]
  /\ clock = [r \in Attempts |-> 0]
  /\ crashes = 0
  /\ restores = 0
  /\ out = {}
  /\ gone = {}
  /\ word = {}
  /\ back = {}
  /\ late = {}
  /\ fresh = {}

\* All nodes have signed one accepted set, and shown it.
AgreedInit ==
  /\ state = [n \in Nodes, r \in Attempts |-> "agreed"]
  /\ subs = [n \in Nodes, r \in Attempts |-> Sites]
  /\ set = [n \in Nodes, r \in Attempts |-> Sites]
  /\ saw = {}
  /\ up = Nodes
  /\ shown = [k \in Kinds, n \in Nodes, r \in Attempts |-> IF k = "release" THEN {} ELSE {Sites}]
  /\ clock = [r \in Attempts |-> 0]
  /\ crashes = 0
  /\ restores = 0
  /\ out = {}
  /\ gone = {}
  /\ word = {}
  /\ back = {}
  /\ late = {}
  /\ fresh = Nodes \X Attempts

\* The coordinator may ask for any attempt at any time.
Open(n, r) ==
  /\ state[n, r] = "none" /\ clock[r] = 0
  /\ \A other \in Attempts : other > r => state[n, other] = "none"
  /\ HistoryChecked =>
       \A other \in Attempts : other < r => state[n, other] \in {"none", "failed"}
  /\ state' = [state EXCEPT ![n, r] = "open"]
  /\ UNCHANGED <<subs, set, saw, up, shown, clock, crashes, restores, out, gone, word, back, late, fresh>>

\* A site may submit to some nodes and not to others.
Submit(s, n, r) ==
  /\ state[n, r] = "open" /\ clock[r] = 0 /\ s \notin subs[n, r]
  /\ subs' = [subs EXCEPT ![n, r] = @ \cup {s}]
  /\ UNCHANGED <<state, set, saw, up, shown, clock, crashes, restores, out, gone, word, back, late, fresh>>

\* No node commits without the signed accepted sets of all. So one that has signed none has nobody to
\* give its word to, but after an old copy, when it does not know what it signed. Nor does one that
\* was started since it signed the set: the copy may be from just then.
Vouches(n, r) ==
  \/ state[n, r] = "agreed" /\ (<<n, r>> \in fresh \/ ~VouchesFresh)
  \/ ~VouchesSigned /\ state[n, r] # "committed"

Fail(n, r) ==
  /\ state' = [state EXCEPT ![n, r] = "failed"]
  /\ gone' = gone \cup {<<n, r>>}
  /\ word' = IF Vouches(n, r) THEN word \cup {<<n, r>>} ELSE word
  /\ fresh' = fresh \ {<<n, r>>}
  /\ UNCHANGED <<subs, set, saw, up, shown, clock, crashes, restores, out, back, late>>

Seen(n, r) == \E m \in Nodes : <<m, n, r>> \in saw

Close(n, r) ==
  /\ subs[n, r] = Sites \/ clock[r] > 0
  /\ IF SeenChecked /\ \E other \in Attempts : other >= r /\ Seen(n, other)
     THEN Fail(n, r)
     ELSE /\ state' = [state EXCEPT ![n, r] = "closed"]
          /\ set' = [set EXCEPT ![n, r] = subs[n, r]]
          /\ shown' = [shown EXCEPT !["held", n, r] = @ \cup {subs[n, r]}]
          /\ UNCHANGED <<subs, saw, up, clock, crashes, restores, out, gone, word, back, late, fresh>>

\* Of interest where a database may be put back; elsewhere it would only make the model larger.
See(m, n, r) ==
  /\ MaxRestores > 0
  /\ m # n /\ <<m, n, r>> \notin saw
  /\ shown["held", n, r] # {}
  /\ saw' = saw \cup {<<m, n, r>>}
  /\ UNCHANGED <<state, subs, set, up, shown, clock, crashes, restores, out, gone, word, back, late, fresh>>

\* The candidates are what all nodes hold. Should a peer have signed two sets, any may have come.
Prepare(n, r) ==
  /\ MaxRestores > 0 => \A m \in Nodes \ {n} : <<n, m, r>> \in saw
  /\ \E of \in [Nodes \ {n} -> UNION {shown["held", m, r] : m \in Nodes}] :
       /\ \A m \in Nodes \ {n} : of[m] \in shown["held", m, r]
       /\ LET all == IF AllHold THEN {s \in set[n, r] : \A m \in Nodes \ {n} : s \in of[m]}
                     ELSE set[n, r] \cup UNION {of[m] : m \in Nodes \ {n}}
          IN /\ set' = [set EXCEPT ![n, r] = all]
             /\ shown' = [shown EXCEPT !["prepared", n, r] = @ \cup {all}]
  /\ state' = [state EXCEPT ![n, r] = "prepared"]
  /\ UNCHANGED <<subs, saw, up, clock, crashes, restores, out, gone, word, back, late, fresh>>

\* All nodes see the same preparation shares, so all decide alike whose proof holds.
Agree(n, r) ==
  /\ \A m \in Nodes : set[n, r] \in shown["prepared", m, r]
  /\ LET good == IF ProofsChecked THEN set[n, r] \ BadSites ELSE set[n, r]
     IN IF FloorChecked /\ Cardinality(good) < Floor
        THEN Fail(n, r)
        ELSE /\ state' = [state EXCEPT ![n, r] = "agreed"]
             /\ set' = [set EXCEPT ![n, r] = good]
             /\ shown' = [shown EXCEPT !["accepted", n, r] = @ \cup {good}]
             /\ fresh' = fresh \cup {<<n, r>>}
             /\ UNCHANGED <<subs, saw, up, clock, crashes, restores, out, gone, word, back, late>>

Commit(n, r) ==
  /\ \A m \in Nodes : set[n, r] \in shown["accepted", m, r]
  /\ state' = [state EXCEPT ![n, r] = "committed"]
  /\ shown' = [shown EXCEPT !["release", n, r] = @ \cup {set[n, r]}]
  /\ fresh' = fresh \ {<<n, r>>}
  /\ UNCHANGED <<subs, set, saw, up, clock, crashes, restores, out, gone, word, back, late>>

Release(n, r) ==
  /\ \A m \in Nodes : set[n, r] \in shown["release", m, r]
  /\ state' = [state EXCEPT ![n, r] = "released"]
  /\ out' = out \cup {<<r, set[n, r]>>}
  /\ UNCHANGED <<subs, set, saw, up, shown, clock, crashes, restores, gone, word, back, late, fresh>>

\* What a node in this state waits for.
Wanted(st) == CASE st = "closed" -> "held" [] st = "prepared" -> "prepared"
                [] st = "agreed" -> "accepted" [] OTHER -> "release"

\* A peer says that it failed, to a node that has committed by its signed word alone; or it has
\* signed another set; or the time is over. A peer that lies says so whenever it likes; the signed
\* word, and what else it signs, convict it, and are left out.
GiveUp(n, r) ==
  /\ \E m \in Nodes \ {n} :
       LET theirs == shown[Wanted(state[n, r]), m, r]
       IN \/ Liar /\ state[n, r] # "committed"
          \/ <<m, r>> \in (IF state[n, r] = "committed" THEN word ELSE gone)
          \/ state[n, r] \in {"prepared", "agreed"} /\ theirs # {} /\ set[n, r] \notin theirs
          \/ clock[r] = 2 /\ theirs = {} /\ (state[n, r] \in Unsigned \/ ~WaitsOnceSigned)
  /\ Fail(n, r)

Tick(r) ==
  /\ clock[r] < 2 /\ clock' = [clock EXCEPT ![r] = @ + 1]
  /\ UNCHANGED <<state, subs, set, saw, up, shown, crashes, restores, out, gone, word, back, late, fresh>>

\* A node has lost its rounds but for their opening, of those that have not failed.
Old(n) == [m \in Nodes, r \in Attempts |->
  IF m = n /\ state[m, r] \notin {"none", "failed"} THEN "open" ELSE state[m, r]]
None(n) == [m \in Nodes, r \in Attempts |-> IF m = n THEN {} ELSE subs[m, r]]

\* What is on disk stays. Of a node that showed first and stored later it would all be lost.
Crash(n) ==
  /\ crashes < MaxCrashes
  /\ up' = up \ {n}
  /\ crashes' = crashes + 1
  /\ state' = IF StoredFirst THEN state ELSE Old(n)
  /\ subs' = IF StoredFirst THEN subs ELSE None(n)
  /\ fresh' = {e \in fresh : e[1] # n}
  /\ UNCHANGED <<set, saw, shown, clock, restores, out, gone, word, back, late>>

\* The database of a node that is down is put back to a copy from when its rounds were open, failed
\* ones too. Peers have what they have seen of it, and no more.
ToOpen(n) ==
  /\ state' = [m \in Nodes, r \in Attempts |->
       IF m = n /\ state[m, r] # "none" THEN "open" ELSE state[m, r]]
  /\ subs' = None(n)
  /\ saw' = {e \in saw : e[1] # n}
  /\ shown' = [k \in Kinds, m \in Nodes, r \in Attempts |->
       IF m = n /\ ~Seen(n, r) THEN {} ELSE shown[k, m, r]]

\* Or to one from just before it committed. What it showed may have come to anybody.
ToAgreed(n) ==
  /\ state' = [m \in Nodes, r \in Attempts |->
       IF m = n /\ state[m, r] \in {"committed", "released"} THEN "agreed" ELSE state[m, r]]
  /\ UNCHANGED <<subs, saw, shown>>

Restore(n) ==
  /\ restores < MaxRestores
  /\ restores' = restores + 1
  /\ IF Copy = "open" THEN ToOpen(n) ELSE ToAgreed(n)
  /\ back' = back \cup {n}
  /\ UNCHANGED <<set, up, clock, crashes, out, gone, word, late, fresh>>

\* Takes up its rounds; after the deadline only those whose accepted set it has signed.
Start(n) ==
  /\ up' = up \cup {n}
  /\ LET over == {r \in Attempts : state[n, r] \in Unsigned /\ clock[r] > 0}
         lost == IF LateFails THEN over ELSE {}
     IN /\ state' = [m \in Nodes, r \in Attempts |->
             IF m = n /\ r \in lost THEN "failed" ELSE state[m, r]]
        /\ gone' = gone \cup {<<n, r>> : r \in lost}
        /\ word' = word \cup {<<n, r>> : r \in {l \in lost : Vouches(n, l)}}
        /\ late' = late \cup {<<n, r>> : r \in over}
  /\ UNCHANGED <<subs, set, saw, shown, clock, crashes, restores, out, back, fresh>>

\* What a node that runs does next in a round.
Work(n, r) ==
  /\ n \in up
  /\ \/ state[n, r] = "open" /\ Close(n, r)
     \/ state[n, r] = "closed" /\ (Prepare(n, r) \/ \E m \in Nodes : See(n, m, r))
     \/ state[n, r] = "prepared" /\ Agree(n, r)
     \/ state[n, r] = "agreed" /\ Commit(n, r)
     \/ state[n, r] = "committed" /\ Release(n, r)
     \/ state[n, r] \in Waiting /\ GiveUp(n, r)

Next ==
  \/ \E n \in Nodes, r \in Attempts : Work(n, r)
  \/ \E n \in up, r \in Attempts : Open(n, r) \/ \E s \in Sites : Submit(s, n, r)
  \/ \E n \in up : Crash(n)
  \/ \E n \in Nodes \ up : Restore(n) \/ Start(n)
  \/ \E r \in Attempts : Tick(r)

Spec == Init /\ [][Next]_vars
AgreedSpec == AgreedInit /\ [][Next]_vars

\* Clocks go on, nodes that are down start again, and nodes that run do what they can. Nobody need
\* open a round or submit, and any node may stop at any point.
Goes ==
  /\ \A r \in Attempts : WF_vars(Tick(r))
  /\ \A n \in Nodes, r \in Attempts : WF_vars(Work(n, r))
Returns == \A n \in Nodes : WF_vars(n \notin up /\ Start(n))
FairSpec == Spec /\ Goes /\ Returns
AwaySpec == Spec /\ Goes

---------------------------------------------------------------------------
(* What never happens. *)

One(k) == \A n \in Nodes, r \in Attempts : Cardinality(shown[k, n, r]) <= 1
OneHeld == One("held")
OneAccepted == One("accepted")                                           \* R3
OneRelease == Cardinality(out) <= 1              \* N3, L1: in a round, and in a step
AboveFloor == \A x \in out : Cardinality(x[2]) >= Floor                  \* R8
Proven == \A x \in out : x[2] \cap BadSites = {}                         \* R3
Complete == \A x \in out : \A n \in Nodes :                                \* R3
  \E h \in shown["held", n, x[1]] : x[2] \subseteq h
Together == \A r \in Attempts : \A n, m \in Nodes :
  ~(state[n, r] = "released" /\ state[m, r] = "failed")
Others == \A r \in Attempts : \A n, m \in Nodes \ back :
  ~(state[n, r] = "released" /\ state[m, r] = "failed")
ForGood == \A e \in gone : state[e[1], e[2]] = "failed"                  \* R9
LateFailed == \A e \in late : state[e[1], e[2]] = "failed"               \* R9

(* What always happens. *)
Ends == \A n \in Nodes, r \in Attempts : state[n, r] = "open" ~> state[n, r] \in Ended

\* Bounds for the search for one attack each; a search that finds nothing has none, but for Others,
\* whose bounds README.md names.
OnTime == \A r \in Attempts : clock[r] = 0
CrashLast == crashes > 0 => out # {}
\* One node stops, the first without loss of generality, and deadlines come after that.
StopsOnce ==
  /\ Nodes \ up \subseteq {CHOOSE n \in Nodes : TRUE}
  /\ \A r \in Attempts : clock[r] > 0 => crashes > 0
\* The same once somebody has committed.
StopsLate ==
  StopsOnce /\ (crashes > 0 => \E n \in Nodes, r \in Attempts : shown["release", n, r] # {})

(* What must be possible: each of these has to be refuted. *)
NeverResumed == ~(crashes > 0 /\ late = {} /\ out # {})                  \* R9
NeverWithout == \A x \in out : x[2] = Sites
NeverAgain == \A x \in out : x[1] = 1
NeverAfter == ~(out # {} /\ clock[1] = 2 /\ crashes > 0)
=============================================================================
