//! All three stages around the rules, as the shells drive them, without a broker: inputs in, books out.

use domain::decide::{self, Merged};
use domain::join::customer;
use domain::join::{self, BoundedTouches, Routed};
use domain::settle;
use schemas::catalog::Catalog;
use schemas::codec;
use schemas::decimal::{Amount, Currency};
use schemas::id::{ClickId, ConversionId, CustomerId, JourneyId};
use schemas::name::PublisherId;
use schemas::record::amendment::Amendment;
use schemas::record::attribution::Attribution;
use schemas::record::candidates::{Candidates, FirstOrder, Touch};
use schemas::record::command::ConversionCommand;
use schemas::record::decision::Decision;
use schemas::record::event::Event;
use schemas::record::journal::JournalEntry;
use schemas::record::state::{BalanceState, ConversionState, CustomerState, SettledState};
use schemas::time::Micros;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Clone, Debug)]
pub enum Input {
    Click(Touch),
    Event(Box<Event>),
    Command(ConversionCommand),
    Amendment(Amendment),
    /// What a customer's partition says of an event that it knows.
    FirstOrder(Box<Event>, FirstOrder),
}

#[derive(Default)]
pub struct Pipeline {
    catalog: Catalog,
    touches: BTreeMap<JourneyId, BTreeMap<(Micros, ClickId), Touch>>,
    events: BTreeMap<JourneyId, BTreeSet<Vec<u8>>>,
    /// What the customer's partition of join keeps: ties, and the converting events.
    customers: BTreeMap<CustomerId, (CustomerState, BTreeSet<Vec<u8>>)>,
    pub states: BTreeMap<ConversionId, ConversionState>,
    pub attributions: Vec<Attribution>,
    pub entries: Vec<JournalEntry>,
    /// What decide was told, in order: `candidates`, as a replay reads it.
    log: Vec<Told>,
    settled: BTreeMap<(PublisherId, ConversionId), SettledState>,
    balances: BTreeMap<(PublisherId, Currency), BalanceState>,
}

#[derive(Clone, Debug)]
enum Told {
    Candidates(Candidates),
    Command(ConversionCommand),
}

/// What must not depend on the order of inputs.
#[derive(Debug, PartialEq)]
pub struct Ending {
    pub decisions: Vec<Decision>,
    pub attributions: Vec<Attribution>,
    /// Per account and currency, from all entries.
    pub accounts: BTreeMap<(String, Currency), Amount>,
    pub balances: BTreeMap<(PublisherId, Currency), (Amount, i64)>,
}

impl Pipeline {
    pub fn new(catalog: Catalog) -> Self {
        Pipeline { catalog, ..Pipeline::default() }
    }

    pub fn run(catalog: Catalog, inputs: impl IntoIterator<Item = Input>) -> Self {
        let mut pipeline = Pipeline::new(catalog);
        inputs.into_iter().for_each(|input| pipeline.arrive(input));
        pipeline
    }

    pub fn arrive(&mut self, input: Input) {
        match input {
            Input::Click(touch) => self.click(touch),
            Input::Command(command) => {
                self.log.push(Told::Command(command.clone()));
                self.input(command.conversion_id, |state| decide::merge_command(state, &command));
            }
            Input::Amendment(amendment) => {
                self.input(amendment.conversion_id, |state| {
                    decide::merge_amendment(state, &amendment).expect("decodes")
                });
            }
            Input::FirstOrder(event, _) if !event.action.converts() => {}
            Input::FirstOrder(event, first_order) => {
                let sent = join::candidates(&event, &codec::encode(&*event), None, BoundedTouches::new());
                let told = |sent| Candidates { first_order: Some(first_order), ..sent };
                sent.into_iter().for_each(|sent| self.decide(&told(sent)));
            }
            Input::Event(event) => {
                let mut arriving = VecDeque::from([*event]);
                while let Some(event) = arriving.pop_front() {
                    arriving.extend(self.event(&event));
                }
            }
        }
    }

    fn click(&mut self, touch: Touch) {
        let journey = touch.journey_id;
        self.touches.entry(journey).or_default().insert(touch.order(), touch.clone());
        for framed in self.events.get(&journey).cloned().unwrap_or_default() {
            let event: Event = codec::decode(&framed).expect("encoded here");
            if event.action.converts() && touch.occurred_at <= join::reaches(&event) {
                self.send(&event, &framed, Some(journey));
            }
        }
    }

    fn event(&mut self, event: &Event) -> Vec<Event> {
        let framed = codec::encode(event);
        match join::route(event) {
            Routed::Ignored => Vec::new(),
            Routed::Tie(copy) => vec![*copy],
            Routed::Customer(customer) => self.at_customer(event, framed, customer),
            Routed::Conversion { journey, copies } => {
                if let Some(journey) = journey {
                    self.events.entry(journey).or_default().insert(framed.clone());
                }
                self.send(event, &framed, journey);
                copies
            }
        }
    }

    /// What a customer's event sets going: its own candidates and copies, and again those of the events that it concerns.
    fn at_customer(&mut self, event: &Event, framed: Vec<u8>, customer: CustomerId) -> Vec<Event> {
        let (state, events) = self.customers.entry(customer).or_default();
        let heard = customer::hear(state, event);
        let within = |other: &Event| heard.concerns.is_some_and(|from| other.occurred_at >= from);
        let decoded = |framed: &Vec<u8>| codec::decode::<Event>(framed).expect("encoded here");
        let known = events.iter().map(decoded).filter(within);
        let told: Vec<Event> = known.chain(event.action.converts().then(|| event.clone())).collect();
        if event.action.converts() {
            events.insert(framed);
        }
        let state = state.clone();
        for event in &told {
            let sent = join::candidates(event, &codec::encode(event), None, BoundedTouches::new());
            let first_order = Some(customer::first_order(&state, event));
            sent.into_iter().for_each(|sent| self.decide(&Candidates { first_order, ..sent }));
        }
        told.iter().flat_map(|event| customer::copies(&state, event)).collect()
    }

    fn send(&mut self, event: &Event, framed: &[u8], journey: Option<JourneyId>) {
        let mut touches = BoundedTouches::new();
        let known = journey.and_then(|journey| self.touches.get(&journey)).into_iter().flatten();
        for (_, touch) in known.take_while(|((at, _), _)| *at <= join::reaches(event)) {
            touches.push(touch.clone());
        }
        for candidates in join::candidates(event, framed, journey, touches) {
            self.decide(&candidates);
        }
    }

    fn decide(&mut self, candidates: &Candidates) {
        let conversion = candidates.conversion_id;
        self.log.push(Told::Candidates(candidates.clone()));
        if self.input(conversion, |state| decide::merge(state, candidates).expect("decodes")) == Merged::Changed {
            let passed_on = decide::passed_on(&self.states[&conversion], candidates).expect("decodes");
            passed_on.iter().for_each(|candidates| self.decide(candidates));
        }
    }

    fn input(&mut self, conversion: ConversionId, merge: impl FnOnce(&mut ConversionState) -> Merged) -> Merged {
        let state = self.states.entry(conversion).or_default();
        let before = state.clone();
        if merge(state) == Merged::Unchanged {
            assert_eq!(*state, before, "unchanged is unchanged");
            assert_eq!(decided(state, &self.catalog), None, "nothing new, nothing decided");
            return Merged::Unchanged;
        }
        assert!(self.catalog.has_read(decide::read(state).expect("decodes").catalog_needed));
        self.revise(conversion);
        Merged::Changed
    }

    fn revise(&mut self, conversion: ConversionId) {
        let state = self.states.get_mut(&conversion).expect("merged before");
        let Some(revision) = decided(state, &self.catalog) else { return };
        assert_eq!(decided(state, &self.catalog), None, "deciding again says the same");
        // The changelog gives back what was written to it.
        let decision = state.decision.take();
        *state = ConversionState { decision, ..codec::decode(&codec::encode(state)).expect("encoded here") };
        self.attributions.extend(revision.attributions);
        for entry in revision.entries {
            self.settle(&entry);
            self.settle(&entry);
            self.entries.push(entry);
        }
    }

    fn settle(&mut self, entry: &JournalEntry) {
        let held = self.settled.entry((entry.publisher.clone(), entry.conversion_id));
        let balance = self.balances.entry((entry.publisher.clone(), entry.currency)).or_default();
        match held {
            std::collections::btree_map::Entry::Vacant(held) => {
                let booking = settle::book(None, balance, entry).expect("nothing held");
                held.insert(booking.settled);
                *balance = booking.balance;
            }
            std::collections::btree_map::Entry::Occupied(mut held) => {
                if let Some(booking) = settle::book(Some(held.get()), balance, entry) {
                    held.insert(booking.settled);
                    *balance = booking.balance;
                }
            }
        }
    }

    /// decide and settle anew, from what decide was told (P6).
    pub fn replay(&self) -> Pipeline {
        let mut replayed = Pipeline::new(self.catalog.clone());
        for told in self.log.clone() {
            match told {
                Told::Command(command) => {
                    replayed.input(command.conversion_id, |state| decide::merge_command(state, &command));
                }
                Told::Candidates(candidates) => {
                    let merge = |state: &mut ConversionState| decide::merge(state, &candidates).expect("decodes");
                    replayed.input(candidates.conversion_id, merge);
                }
            }
        }
        replayed
    }

    pub fn replay_journal(&mut self) {
        for entry in self.entries.clone() {
            self.settle(&entry);
        }
    }

    pub fn decision(&self, conversion: ConversionId) -> Option<Decision> {
        let framed = self.states.get(&conversion)?.decision.as_deref()?;
        Some(codec::decode(framed).expect("encoded here"))
    }

    pub fn ending(&self) -> Ending {
        let decisions = self.states.keys().filter_map(|conversion| self.decision(*conversion));
        let current = |row: &&Attribution| {
            let decision = self.decision(row.conversion_id).expect("a row is of a decision");
            row.sign > 0 && row.revision == decision.revision
        };
        let mut rows: Vec<Attribution> = self.attributions.iter().filter(current).cloned().collect();
        rows.sort_by(|a, b| (a.conversion_id, &a.publisher).cmp(&(b.conversion_id, &b.publisher)));
        let mut accounts: BTreeMap<_, Amount> = BTreeMap::new();
        for entry in &self.entries {
            for posting in &entry.postings {
                *accounts.entry((posting.account.clone(), entry.currency)).or_default() += posting.amount;
            }
        }
        accounts.retain(|_, amount| !amount.is_zero());
        let balances = self.balances.iter().map(|(key, balance)| (key.clone(), (balance.held, balance.conversions)));
        Ending {
            decisions: decisions.map(|decision| Decision { revision: 0, ..decision }).collect(),
            attributions: rows.into_iter().map(|row| Attribution { revision: 0, ..row }).collect(),
            accounts,
            balances: balances.filter(|(_, balance)| *balance != (Amount::ZERO, 0)).collect(),
        }
    }
}

fn decided(state: &mut ConversionState, catalog: &Catalog) -> Option<decide::Revision> {
    let evidence = decide::read(state).expect("decodes");
    decide::decide(state, evidence, catalog).expect("decodes")
}
