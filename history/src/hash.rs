//! `tributary replay-hash`: one number for all that a replay of `candidates`, `catalog` and `journal` comes to (P6).
//!
//! Three parts, each the sum of the hashes of its items, so that neither partitions nor the order of reading matter: the
//! evidence sets, the current decisions, what each account has of each conversion. The last is taken twice, from the decisions
//! and from the journal: where everything is booked, both are equal. It tells differences, it is no proof against forgers.

use crate::Error;
use crate::log;
use crate::progress::Progress;
use crate::replay::Replay;
use domain::decide;
use domain::whatif::{Paid, paid};
use kafka::KafkaConfig;
use schemas::codec;
use schemas::decimal::Currency;
use schemas::id::{ConversionId, EntryId};
use schemas::name::{PublisherId, TenantId};
use schemas::record::decision::Decision;
use schemas::record::journal::{JournalEntry, JournalRecord};
use schemas::record::state::ConversionState;
use schemas::time::Month;
use schemas::topic::Topic;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// The sum of the hashes of a set's items, modulo 2^256, and how many there are.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct SetHash {
    words: [u64; 4],
    items: u64,
}

impl SetHash {
    pub fn add(&mut self, purpose: &str, parts: &[&[u8]]) {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        let mut carry = false;
        for (word, bytes) in self.words.iter_mut().zip(digest.as_bytes().chunks_exact(8)) {
            let added = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            let (sum, first) = word.overflowing_add(added);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, first || second);
        }
        self.items += 1;
    }

    fn bytes(&self) -> Vec<u8> {
        self.words.iter().chain([&self.items]).flat_map(|word| word.to_be_bytes()).collect()
    }
}

impl fmt::Display for SetHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", &blake3::hash(&self.bytes()).to_hex()[..32])
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct StateHash {
    pub evidence: SetHash,
    pub decisions: SetHash,
    /// Of each account and conversion, as the decisions have it.
    pub due: SetHash,
    /// Likewise, as the journal has it.
    pub booked: SetHash,
    /// Months' corrections, which are booked by settle and no conversion's.
    pub months: SetHash,
}

impl StateHash {
    /// A conversion with its set of inputs, and its decision where it has one.
    pub fn conversion(&mut self, id: ConversionId, state: &ConversionState, decision: Option<&Decision>) {
        let evidence = ConversionState { decision: None, booked: Vec::new(), ..state.clone() };
        self.evidence.add("tributary evidence", &[&id.0, &codec::encode(&evidence)]);
        let Some(decision) = decision else { return };
        // How often it was revised depends on the order of arrival.
        let decision = Decision { revision: 0, ..decision.clone() };
        self.decisions.add("tributary decision", &[&codec::encode(&decision)]);
        for (publisher, paid) in paid(&decision) {
            account(&mut self.due, (&decision.tenant, publisher, decision.currency), id, paid);
        }
    }

    pub fn text(&self) -> String {
        let line = |name: &str, part: &SetHash, of: &str| format!("{name:<10} {part}  {} {of}\n", part.items);
        let all: Vec<u8> =
            [self.evidence, self.decisions, self.booked, self.months].iter().flat_map(SetHash::bytes).collect();
        let mut text = line("evidence", &self.evidence, "conversions")
            + &line("decisions", &self.decisions, "decisions")
            + &line("booked", &self.booked, "accounts of conversions")
            + &line("months", &self.months, "corrections of months")
            + &format!("{:<10} {}\n", "state", &blake3::hash(&all).to_hex()[..32]);
        text.push_str(match self.due == self.booked {
            true => "what is booked is what the decisions say\n",
            false => "what is booked is not what the decisions say: the processor is behind, or something is wrong\n",
        });
        text
    }
}

fn account(
    set: &mut SetHash,
    (tenant, publisher, currency): (&TenantId, &PublisherId, Currency),
    of: ConversionId,
    paid: Paid,
) {
    let amounts = [paid.commission, paid.payout, paid.platform_fee].map(|amount| amount.0.to_be_bytes());
    let [commission, payout, fee] = &amounts;
    let parts: [&[u8]; 7] =
        [tenant.as_bytes(), publisher.as_bytes(), currency.code().as_bytes(), &of.0, commission, payout, fee];
    set.add("tributary account", &parts);
}

/// Reads the three topics up to where they end now.
pub fn run(config: &KafkaConfig, progress: &Progress) -> Result<StateHash, Error> {
    let mut hash = StateHash::default();
    let mut replay = Replay::open(config, progress)?;
    replay.partitions(None, |catalog, conversions| {
        for (id, state) in conversions {
            progress.check()?;
            // What cannot be read any more is in the evidence all the same.
            let decision = decide::afresh(&state, catalog).ok().flatten();
            hash.conversion(id, &state, decision.as_ref());
        }
        Ok(())
    })?;
    let mut accounts = Accounts::default();
    for (place, extent) in log::extents(config, Topic::Journal)? {
        // An account is in one partition.
        let each = |record: kafka::queue::Record<'_>| {
            if let Some(Ok(JournalRecord::Entry(entry))) = record.value.map(JournalRecord::read) {
                accounts.add(&entry);
            }
            progress.check()
        };
        kafka::range::read(config, &place, extent.first, extent.end, each, || progress.check())?;
        std::mem::take(&mut accounts).into_hash(&mut hash);
    }
    Ok(hash)
}

type Account = (TenantId, PublisherId, Currency);

/// What the entries of a partition come to, each counted once.
#[derive(Default)]
pub struct Accounts {
    seen: HashSet<EntryId>,
    net: BTreeMap<(Account, ConversionId, bool), Paid>,
}

impl Accounts {
    pub fn add(&mut self, entry: &JournalEntry) {
        if !self.seen.insert(entry.entry_id) {
            return;
        }
        let month = Month::of(entry.occurred_at);
        let of_month = ConversionId::of_month(&entry.tenant, &entry.publisher, &entry.campaign, month);
        let account = (entry.tenant.clone(), entry.publisher.clone(), entry.currency);
        let net = self.net.entry((account, entry.conversion_id, of_month == entry.conversion_id)).or_default();
        for posting in &entry.postings {
            match posting.account.split_once(':') {
                Some(("advertiser", _)) => net.commission += posting.amount,
                Some(_) => net.payout += -posting.amount,
                None => net.platform_fee += -posting.amount,
            }
        }
    }

    pub fn into_hash(self, hash: &mut StateHash) {
        for (((tenant, publisher, currency), id, of_month), paid) in self.net {
            if paid != Paid::default() {
                let set = if of_month { &mut hash.months } else { &mut hash.booked };
                account(set, (&tenant, &publisher, currency), id, paid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(items: &[&str]) -> SetHash {
        let mut hash = SetHash::default();
        items.iter().for_each(|item| hash.add("test", &[item.as_bytes()]));
        hash
    }

    #[test]
    fn the_hash_of_a_set_does_not_depend_on_its_order_and_tells_every_item() {
        let expected = hash_of(&["a", "b", "c"]);
        assert_eq!(hash_of(&["c", "a", "b"]), expected);
        for other in [&["a", "b"][..], &["a", "b", "d"], &["a", "b", "c", "c"], &["ab", "c", ""]] {
            assert_ne!(hash_of(other), expected, "{other:?}");
            assert_ne!(hash_of(other).to_string(), expected.to_string(), "{other:?}");
        }
    }
}
