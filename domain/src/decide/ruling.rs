//! The waterfall: which evidence wins, under which contract, and what is said about the rest.
//!
//! The order of evidence is part of the contract, and the contract that of the winner's campaign. So the waterfall runs
//! twice: by the default order to find a campaign, then once more by the order in that campaign's contract. The second
//! winner's campaign and contract are the conversion's, also where its own order would differ again.

use super::amended::{self, Amended};
use super::evidence::{self, Code, Finding, JudgedEvidence};
use super::explain::Span;
use super::facts::{self, Facts};
use super::fraud::{self, Withheld};
use super::touches::{self, JudgedJourney};
use schemas::catalog::{AsOf, Catalog};
use schemas::id::ClickId;
use schemas::name::{CampaignId, ContractId, PublisherId};
use schemas::offset::Offset;
use schemas::record::candidates::Touch;
use schemas::record::catalog::{Contract, PublisherContract};
use schemas::record::decision::{CommandNote, EvidenceVerdict, FraudVerdict, Outcome, TouchVerdict};
use schemas::record::event::{Event, EvidenceSource};
use schemas::time::Micros;

pub(super) enum Ruling<'c> {
    Earned(Earned<'c>),
    Nobody { outcome: Outcome, reason: String, value: String, campaign: Option<CampaignId> },
}

/// Whoever brought these touches earns under these terms.
pub(super) struct Earned<'c> {
    pub source: EvidenceSource,
    pub value: String,
    pub campaign: CampaignId,
    pub terms: Terms<'c>,
    /// Of those who brought touches and have a contract of their own.
    pub own_terms: Vec<(PublisherId, Terms<'c>)>,
    /// By (time, id), at least one.
    pub touches: Vec<EarningTouch>,
    /// Why nothing is booked all the same.
    pub withheld: Option<Withheld>,
}

impl Ruling<'_> {
    pub fn is_withheld(&self) -> bool {
        matches!(self, Ruling::Earned(Earned { withheld: Some(_), .. }))
    }
}

pub(super) struct EarningTouch {
    /// None for the synthetic touch of a code.
    pub click_id: Option<ClickId>,
    pub at: Micros,
    pub campaign: CampaignId,
    pub publisher: PublisherId,
    pub link: String,
}

#[derive(Clone)]
pub(super) struct Terms<'c> {
    pub contract: ContractId,
    pub version: i32,
    pub body: &'c Contract,
    /// The campaign's contracts with single publishers, as of then.
    publishers: &'c [PublisherContract],
    as_of: AsOf,
}

impl<'c> Earned<'c> {
    /// What a publisher is paid by.
    pub fn terms_of(&self, publisher: &PublisherId) -> &Terms<'c> {
        self.own_terms_of(publisher).unwrap_or(&self.terms)
    }

    pub fn own_terms_of(&self, publisher: &PublisherId) -> Option<&Terms<'c>> {
        self.own_terms.iter().find(|(own, _)| own == publisher).map(|(_, terms)| terms)
    }
}

/// What is said about everything that was looked at.
pub(super) struct Explanation {
    pub evidence: Vec<EvidenceVerdict>,
    pub touches: Vec<TouchVerdict>,
    pub touches_not_listed: i64,
    pub fraud: Option<FraudVerdict>,
    pub command: Option<CommandNote>,
}

pub(super) fn rule<'c>(facts: &'c Facts<'_>, catalog: &'c Catalog) -> (Ruling<'c>, Explanation) {
    let journeys = touches::judge(facts, catalog);
    let judged = evidence::judge(facts, &journeys, catalog);
    let amended = facts.amended.as_slice();
    let waterfall = Waterfall { facts, amended, catalog, journeys: &journeys, judged: &judged };
    let (mut ruling, winner, order) = waterfall.run();
    let (fraud, command) = waterfall.withhold(&mut ruling, winner);
    let explanation = Explanation {
        evidence: waterfall.evidence_verdicts(&ruling, winner, &order),
        touches: waterfall.touch_verdicts(&ruling, winner),
        touches_not_listed: journeys.iter().fold(0, |sum: i64, journey| sum.saturating_add(journey.not_listed)),
        fraud,
        command,
    };
    (ruling, explanation)
}

struct Waterfall<'w, 'c> {
    facts: &'w Facts<'w>,
    amended: &'c [Amended],
    catalog: &'c Catalog,
    journeys: &'w [JudgedJourney<'w>],
    judged: &'w [JudgedEvidence<'w>],
}

fn rank(order: &[EvidenceSource], source: EvidenceSource) -> Option<usize> {
    order.iter().position(|listed| *listed == source)
}

fn nobody(outcome: Outcome, reason: &str, value: String) -> Ruling<'static> {
    Ruling::Nobody { outcome, reason: reason.to_owned(), value, campaign: None }
}

impl<'w, 'c> Waterfall<'w, 'c> {
    /// The ruling, the winner among the judged evidence, and the order that held.
    fn run(&self) -> (Ruling<'c>, Option<usize>, Vec<EvidenceSource>) {
        let earning = self.facts.earning();
        let default = EvidenceSource::DEFAULT_ORDER.to_vec();
        if let Some(order) = self.facts.same_as {
            return (nobody(Outcome::SameAsOrder, "same_as_order", order.to_string()), None, default);
        }
        if facts::is_late(earning) {
            return (nobody(Outcome::TooLate, "too_late", Span(facts::lateness(earning)).to_string()), None, default);
        }
        let Some((_, campaign, seen)) = self.strongest(&default) else {
            return (self.unattributed(), None, default);
        };
        let Some(terms) = self.terms_of(&campaign, seen) else {
            return (contract_unknown(campaign), None, default);
        };
        let order = terms.body.evidence_order.clone();
        let Some((winner, campaign, seen)) = self.strongest(&order) else {
            let contract = format!("{}, version {}", terms.contract, terms.version);
            return (nobody(Outcome::Unattributed, "not_in_contract", contract), None, order);
        };
        match self.terms_of(&campaign, seen) {
            Some(terms) => (Ruling::Earned(self.earned(winner, campaign, terms)), Some(winner), order),
            None => (contract_unknown(campaign), None, order),
        }
    }

    /// The strongest evidence that stands for something, with its campaign and the catalog position of who named it.
    fn strongest(&self, order: &[EvidenceSource]) -> Option<(usize, CampaignId, Offset)> {
        let valid = self.judged.iter().enumerate().filter_map(|(at, judged)| {
            let (campaign, seen) = match &judged.finding {
                Finding::Journey(journey) => {
                    let touch = self.journeys[*journey].eligible().next_back()?;
                    (touch.campaign.clone(), touch.catalog_offset)
                }
                Finding::Code(code) => (code.campaign.clone(), self.facts.earning().catalog_offset),
                Finding::Nothing { .. } => return None,
            };
            Some((rank(order, judged.evidence.source)?, at, campaign, seen))
        });
        valid.min_by_key(|(rank, at, ..)| (*rank, *at)).map(|(_, at, campaign, seen)| (at, campaign, seen))
    }

    /// No evidence stands for anything: the reason is that of the strongest.
    fn unattributed(&self) -> Ruling<'static> {
        let strongest =
            self.judged.iter().min_by_key(|judged| rank(&EvidenceSource::DEFAULT_ORDER, judged.evidence.source));
        match strongest.map(|judged| &judged.finding) {
            Some(Finding::Nothing { reason, measured }) => nobody(Outcome::Unattributed, reason, measured.clone()),
            _ => nobody(Outcome::Unattributed, "no_evidence", String::new()),
        }
    }

    fn earned(&self, winner: usize, campaign: CampaignId, terms: Terms<'c>) -> Earned<'c> {
        let JudgedEvidence { evidence, finding, .. } = &self.judged[winner];
        let touches: Vec<EarningTouch> = match finding {
            Finding::Journey(journey) => self.journeys[*journey].eligible().map(real).collect(),
            Finding::Code(code) => vec![synthetic(code, self.facts.earning())],
            Finding::Nothing { .. } => Vec::new(),
        };
        let own_terms = self.own_terms(&terms, &touches);
        let value = evidence.value.clone();
        Earned { source: evidence.source, value, campaign, terms, own_terms, touches, withheld: None }
    }

    /// What the contract holds against the conversion, and what a person said of it.
    fn withhold(&self, ruling: &mut Ruling<'c>, winner: Option<usize>) -> (Option<FraudVerdict>, Option<CommandNote>) {
        let command = self.facts.command;
        let Ruling::Earned(earned) = ruling else {
            return (None, command.map(|command| fraud::note(command, "nobody_earns")));
        };
        let journey = winner.and_then(|at| match self.judged[at].finding {
            Finding::Journey(journey) => Some(&self.journeys[journey]),
            Finding::Code(_) | Finding::Nothing { .. } => None,
        });
        let verdict = fraud::judge(self.facts, earned, journey, self.catalog);
        let (withheld, note) = fraud::withheld(verdict.as_ref(), command);
        earned.withheld = withheld;
        (verdict, note)
    }

    /// The contract as of the earning event; where its edge had not read the campaign yet, as of the click that names it.
    fn terms_of(&self, campaign: &CampaignId, seen: Offset) -> Option<Terms<'c>> {
        let earning = self.facts.earning();
        let as_of = |offset: Offset| {
            let as_of = AsOf { offset, time: earning.occurred_at };
            let campaign = self.catalog.campaign(&earning.tenant, campaign, as_of)?.body;
            let found = amended::contract(self.amended, self.catalog, &earning.tenant, &campaign.contract, as_of)?;
            let (contract, publishers) = (campaign.contract.clone(), campaign.publisher_contracts.as_slice());
            Some(Terms { contract, version: found.number, body: found.body, publishers, as_of })
        };
        as_of(earning.catalog_offset).or_else(|| as_of(seen.max(earning.catalog_offset)))
    }

    fn own_terms(&self, terms: &Terms<'c>, touches: &[EarningTouch]) -> Vec<(PublisherId, Terms<'c>)> {
        let theirs = |own: &&PublisherContract| touches.iter().any(|touch| touch.publisher == own.publisher);
        let found = |own: &PublisherContract| {
            let tenant = &self.facts.earning().tenant;
            let found = amended::contract(self.amended, self.catalog, tenant, &own.contract, terms.as_of)?;
            let terms =
                Terms { contract: own.contract.clone(), version: found.number, body: found.body, ..terms.clone() };
            Some((own.publisher.clone(), terms))
        };
        terms.publishers.iter().filter(theirs).filter_map(found).collect()
    }

    fn evidence_verdicts(
        &self,
        ruling: &Ruling,
        winner: Option<usize>,
        order: &[EvidenceSource],
    ) -> Vec<EvidenceVerdict> {
        let mut listed: Vec<usize> = (0..self.judged.len()).collect();
        listed.sort_by_key(|&at| {
            let source = self.judged[at].evidence.source;
            (rank(order, source).unwrap_or(usize::MAX), source, at)
        });
        let verdict = |at: usize| {
            let JudgedEvidence { event, evidence, finding } = &self.judged[at];
            let used = winner == Some(at);
            let (reason, measured) = match (finding, ruling) {
                (Finding::Nothing { reason, measured }, _) => (reason.clone(), measured.clone()),
                (finding, Ruling::Earned(_)) if used => ("used".into(), self.describe(finding)),
                (_, Ruling::Earned(_)) if rank(order, evidence.source).is_none() => {
                    ("not_in_contract".into(), evidence.source.name().into())
                }
                (_, Ruling::Earned(earned)) => ("weaker_than_used".into(), earned.source.name().into()),
                (_, Ruling::Nobody { reason, value, .. }) => (reason.clone(), value.clone()),
            };
            EvidenceVerdict {
                source: evidence.source.name().into(),
                value: evidence.value.clone(),
                event_id: event.event_id.clone(),
                used,
                reason,
                measured,
            }
        };
        listed.into_iter().map(verdict).collect()
    }

    fn describe(&self, finding: &Finding) -> String {
        match finding {
            Finding::Journey(journey) => {
                let journey = &self.journeys[*journey];
                format!("{} of {} touches of journey {}", journey.eligible().count(), journey.touches.len(), journey.id)
            }
            Finding::Code(code) => format!("{} of publisher {}, campaign {}", code.link, code.publisher, code.campaign),
            Finding::Nothing { measured, .. } => measured.clone(),
        }
    }

    /// Every touch of every known journey by (time, id), then the synthetic one.
    fn touch_verdicts(&self, ruling: &Ruling, winner: Option<usize>) -> Vec<TouchVerdict> {
        let finding = winner.map(|at| &self.judged[at].finding);
        let mut verdicts = Vec::new();
        for (at, journey) in self.journeys.iter().enumerate() {
            let wins = matches!(finding, Some(Finding::Journey(winner)) if *winner == at);
            for judged in &journey.touches {
                let (reason, value) = match ruling {
                    Ruling::Earned(earned) if judged.eligible && !wins => ("not_used", earned.source.name()),
                    Ruling::Nobody { reason, value, .. } if judged.eligible => (reason.as_str(), value.as_str()),
                    Ruling::Earned(_) | Ruling::Nobody { .. } => (judged.reason, judged.value.as_str()),
                };
                verdicts.push(TouchVerdict {
                    click_id: Some(judged.touch.click_id),
                    journey_id: Some(journey.id),
                    kept: judged.eligible && wins,
                    reason: reason.to_owned(),
                    value: value.to_owned(),
                    ..shown(&real(judged.touch))
                });
            }
        }
        verdicts.sort_by_key(|verdict| (verdict.occurred_at, verdict.click_id));
        if let Some(Finding::Code(code)) = finding {
            verdicts.push(shown(&synthetic(code, self.facts.earning())));
        }
        verdicts
    }
}

fn real(touch: &Touch) -> EarningTouch {
    EarningTouch {
        click_id: Some(touch.click_id),
        at: touch.occurred_at,
        campaign: touch.campaign.clone(),
        publisher: touch.publisher.clone(),
        link: touch.link.to_string(),
    }
}

/// Evidence without a click stands at the conversion's time.
fn synthetic(code: &Code, earning: &Event) -> EarningTouch {
    EarningTouch {
        click_id: None,
        at: earning.occurred_at,
        campaign: code.campaign.clone(),
        publisher: code.publisher.clone(),
        link: code.link.clone(),
    }
}

fn shown(touch: &EarningTouch) -> TouchVerdict {
    TouchVerdict {
        click_id: touch.click_id,
        journey_id: None,
        occurred_at: touch.at,
        campaign: touch.campaign.clone(),
        publisher: touch.publisher.clone(),
        link: touch.link.clone(),
        kept: true,
        reason: "synthetic".into(),
        value: String::new(),
    }
}

fn contract_unknown(campaign: CampaignId) -> Ruling<'static> {
    Ruling::Nobody {
        outcome: Outcome::Unattributed,
        reason: "contract_unknown".into(),
        value: campaign.to_string(),
        campaign: Some(campaign),
    }
}
