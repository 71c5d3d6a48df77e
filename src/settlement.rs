//! `tributary settlement`: runs, the life of payouts, and the papers that people take away.

mod papers;

use clap::{Args, Subcommand, ValueEnum};
use domain::settle::payout::{self, Stepped};
use domain::settle::run;
use indicatif::ProgressBar;
use kafka::KafkaConfig;
use kafka::journal::{Reader, Settlements, write_commands, write_run};
use schemas::decimal::{Amount, Currency};
use schemas::id::{PayoutId, RunId};
use schemas::name::{PublisherId, TenantId};
use schemas::record::payout::{Payout, PayoutCommand, PayoutState, PayoutStep};
use schemas::record::settlement::{Minimum, RunDone, RunTotal, SettlementRun};
use schemas::time::Micros;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the log is looked at for what is waited for.
const LOOK: Duration = Duration::from_millis(300);

#[derive(Subcommand)]
pub enum Settlement {
    /// Pay what is approved and past its hold; a run that is repeated changes nothing
    Run(RunArgs),
    /// List payouts as they stand
    Payouts(Selection),
    /// Print a publisher's statements, each with its lines
    Statements {
        #[arg(value_parser = PublisherId::new)]
        publisher: PublisherId,
        #[arg(long, default_value = "default", value_parser = TenantId::new)]
        tenant: TenantId,
        /// Of this run only
        #[arg(long)]
        run: Option<String>,
    },
    /// Take payouts one step on: approve, sent, settled; or failed, and the amount is payable again
    Step(StepArgs),
    /// The bank's file (CSV) of a run: its payouts that are approved and not sent yet
    BankFile {
        /// The run's label, as `settlement run` printed it
        run: String,
        #[arg(long, default_value = "default", value_parser = TenantId::new)]
        tenant: TenantId,
        /// Where to [default: standard output]
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Totals of a year for forms 1099-NEC and 1099-MISC (CSV)
    TaxForms {
        year: i64,
        /// CSV lines `publisher,nec` or `publisher,misc`: those with a form W-9
        #[arg(long, value_name = "FILE")]
        us_publishers: PathBuf,
        #[arg(long, default_value = "default", value_parser = TenantId::new)]
        tenant: TenantId,
        /// The year's threshold in dollars, where it is not the one that the law had when this was written
        #[arg(long, value_parser = amount)]
        threshold: Option<Amount>,
    },
}

#[derive(Args)]
pub struct RunArgs {
    /// What people call it [default: the week that ended last, `2026-W47`]
    #[arg(long, requires = "as_of")]
    label: Option<String>,
    /// Holds that ended by then have passed: a date, or a time as of RFC 3339 [default: last Monday, midnight UTC]
    #[arg(long, value_parser = time, requires = "label")]
    as_of: Option<Micros>,
    /// From how much on a balance is paid out; may be repeated [default: 10.00 in each currency]
    #[arg(long = "minimum", value_name = "CURRENCY=AMOUNT", value_parser = minimum)]
    minimums: Vec<Minimum>,
    #[arg(long, default_value = "default", value_parser = TenantId::new)]
    tenant: TenantId,
    /// How many seconds to wait for every partition
    #[arg(long, default_value_t = 60)]
    wait: u64,
}

#[derive(Args)]
pub struct Selection {
    #[arg(long, default_value = "default", value_parser = TenantId::new)]
    tenant: TenantId,
    /// Of the run with this label
    #[arg(long)]
    run: Option<String>,
    #[arg(long, value_parser = PublisherId::new)]
    publisher: Option<PublisherId>,
    #[arg(long)]
    state: Option<State>,
}

#[derive(Args)]
pub struct StepArgs {
    step: Step,
    /// Payouts, by id
    #[arg(required_unless_present = "run")]
    payouts: Vec<PayoutId>,
    /// All of the run with this label for which the step is the next
    #[arg(long, conflicts_with = "payouts")]
    run: Option<String>,
    #[arg(long, default_value = "default", value_parser = TenantId::new)]
    tenant: TenantId,
    /// Who says so
    #[arg(long, env = "USER")]
    by: String,
    /// When it happened; of `settled`, the bank's value date [default: now]
    #[arg(long, value_parser = time)]
    at: Option<Micros>,
    /// The bank's
    #[arg(long)]
    reference: Option<String>,
    /// Why it failed
    #[arg(long, required_if_eq("step", "failed"))]
    reason: Option<String>,
    /// How many seconds to wait until it is so
    #[arg(long, default_value_t = 30)]
    wait: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Step {
    Approve,
    Sent,
    Settled,
    Failed,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Draft,
    Approved,
    Sent,
    Settled,
    Failed,
}

impl Settlement {
    pub fn execute(self, kafka: &KafkaConfig) -> anyhow::Result<()> {
        match self {
            Settlement::Run(args) => args.execute(kafka),
            Settlement::Payouts(selection) => {
                print!("{}", papers::payouts(&selection.of(&everything(kafka)?.payouts)));
                Ok(())
            }
            Settlement::Statements { publisher, tenant, run } => {
                let of = run.map(|label| RunId::of(&tenant, &label));
                let mut statements = everything(kafka)?.statements;
                statements.retain(|one| {
                    one.tenant == tenant && one.publisher == publisher && of.is_none_or(|run| one.run_id == run)
                });
                anyhow::ensure!(!statements.is_empty(), "{publisher} has no such statement");
                print!("{}", papers::statements(&statements));
                Ok(())
            }
            Settlement::Step(args) => args.execute(kafka),
            Settlement::BankFile { run, tenant, out } => {
                papers::bank_file(&everything(kafka)?.payouts, RunId::of(&tenant, &run), out.as_deref())
            }
            Settlement::TaxForms { year, us_publishers, tenant, threshold } => {
                papers::tax_forms(&everything(kafka)?.payouts, year, &us_publishers, &tenant, threshold)
            }
        }
    }
}

fn everything(kafka: &KafkaConfig) -> anyhow::Result<Settlements> {
    let mut settlements = Settlements::default();
    Reader::new(kafka).read(&mut settlements)?;
    Ok(settlements)
}

/// Looks until `done` says so or the time is over; says whether it did.
fn wait_for(
    reader: &mut Reader<'_>,
    settlements: &mut Settlements,
    seconds: u64,
    done: impl Fn(&Settlements) -> (u64, u64),
) -> anyhow::Result<bool> {
    let began = Instant::now();
    let bar = ProgressBar::new(0);
    loop {
        reader.read(settlements)?;
        let (have, of) = done(settlements);
        bar.set_length(of);
        bar.set_position(have);
        if have >= of || began.elapsed() >= Duration::from_secs(seconds) {
            bar.finish_and_clear();
            return Ok(have >= of);
        }
        std::thread::sleep(LOOK);
    }
}

impl RunArgs {
    fn execute(self, kafka: &KafkaConfig) -> anyhow::Result<()> {
        let catalog_offset = kafka::catalog::read(kafka)?.read_to();
        let run = match (self.label, self.as_of) {
            (Some(label), Some(as_of)) => SettlementRun {
                run_id: RunId::of(&self.tenant, &label),
                tenant: self.tenant,
                label,
                as_of,
                minimums: self.minimums,
                catalog_offset,
            },
            _ => run::weekly(&self.tenant, crate::setup::now(), self.minimums, catalog_offset),
        };
        let partitions = write_run(kafka, &run)?;
        let of_run = |settlements: &Settlements| -> BTreeMap<i32, RunDone> {
            let done = settlements.done.iter().filter(|done| done.run_id == run.run_id);
            done.map(|done| (done.partition, done.clone())).collect()
        };
        let mut settlements = Settlements::default();
        let all = wait_for(&mut Reader::new(kafka), &mut settlements, self.wait, |settlements| {
            (of_run(settlements).len() as u64, partitions.unsigned_abs().into())
        })?;
        let done = of_run(&settlements);
        anyhow::ensure!(
            all,
            "run {} is written; {} of {partitions} partitions are done with it after {} s: is a processor running? Ask \
             again with the same arguments, a run that is repeated changes nothing",
            run.label,
            done.len(),
            self.wait
        );
        let (year, month, day) = run.as_of.date();
        println!("run {} as of {year:04}-{month:02}-{day:02}: done in {partitions} partitions", run.label);
        for total in totals(done.values()).values() {
            println!("{}", papers::total(total));
        }
        Ok(())
    }
}

fn totals<'d>(done: impl Iterator<Item = &'d RunDone>) -> BTreeMap<Currency, RunTotal> {
    let mut totals: BTreeMap<Currency, RunTotal> = BTreeMap::new();
    for part in done.flat_map(|done| &done.totals) {
        let Some(total) = totals.get_mut(&part.currency) else {
            totals.insert(part.currency, *part);
            continue;
        };
        total.accounts += part.accounts;
        total.statements += part.statements;
        total.payouts += part.payouts;
        total.paid_out += part.paid_out;
        total.carried += part.carried;
        total.owed += part.owed;
    }
    totals
}

impl Selection {
    fn of(&self, payouts: &[Payout]) -> Vec<Payout> {
        let run = self.run.as_ref().map(|label| RunId::of(&self.tenant, label));
        let state = self.state.map(|state| match state {
            State::Draft => PayoutState::Draft,
            State::Approved => PayoutState::Approved,
            State::Sent => PayoutState::Sent,
            State::Settled => PayoutState::Settled,
            State::Failed => PayoutState::Failed,
        });
        let mut found: Vec<_> = latest(payouts).into_values().collect();
        found.retain(|payout| {
            payout.tenant == self.tenant
                && run.is_none_or(|run| payout.run_id == run)
                && self.publisher.as_ref().is_none_or(|publisher| payout.publisher == *publisher)
                && state.is_none_or(|state| payout.state == state)
        });
        found.sort_by(|a, b| (a.as_of, &a.publisher, a.currency).cmp(&(b.as_of, &b.publisher, b.currency)));
        found
    }
}

/// The last revision of each payout.
fn latest(payouts: &[Payout]) -> BTreeMap<PayoutId, Payout> {
    payouts.iter().map(|payout| (payout.payout_id, payout.clone())).collect()
}

impl StepArgs {
    fn execute(self, kafka: &KafkaConfig) -> anyhow::Result<()> {
        let step = match self.step {
            Step::Approve => PayoutStep::Approve,
            Step::Sent => PayoutStep::Sent,
            Step::Settled => PayoutStep::Settled,
            Step::Failed => PayoutStep::Failed,
        };
        let mut reader = Reader::new(kafka);
        let mut settlements = Settlements::default();
        reader.read(&mut settlements)?;
        let known = latest(&settlements.payouts);
        let command = |payout: &Payout| PayoutCommand {
            payout_id: payout.payout_id,
            tenant: self.tenant.clone(),
            publisher: payout.publisher.clone(),
            step,
            at: self.at.unwrap_or_else(crate::setup::now),
            by: self.by.clone(),
            reference: self.reference.clone(),
            reason: self.reason.clone(),
        };
        let mut commands = Vec::new();
        let mut refused = Vec::new();
        let run = self.run.as_ref().map(|label| RunId::of(&self.tenant, label));
        let of_run = known.values().filter(|payout| Some(payout.run_id) == run && payout.tenant == self.tenant);
        for id in self.payouts.iter().copied().chain(of_run.map(|payout| payout.payout_id)) {
            let Some(payout) = known.get(&id).filter(|payout| payout.tenant == self.tenant) else {
                refused.push(format!("{id}: no such payout"));
                continue;
            };
            let command = command(payout);
            match payout::step(Some(payout), &schemas::record::state::BalanceState::default(), &command) {
                Stepped::Moved { .. } => commands.push(command),
                Stepped::Unchanged => {}
                Stepped::Refused(_) if run.is_some() => {}
                Stepped::Refused(refusal) => refused.push(format!("{id}: {refusal}")),
            }
        }
        anyhow::ensure!(refused.is_empty(), "nothing was written:\n  {}", refused.join("\n  "));
        if commands.is_empty() {
            println!("nothing to do: no payout for which this is the next step");
            return Ok(());
        }
        write_commands(kafka, &commands)?;
        let moved = |settlements: &Settlements| {
            let now = latest(&settlements.payouts);
            let moved = commands.iter().filter(|command| {
                let revision = |payouts: &BTreeMap<_, Payout>| payouts.get(&command.payout_id).map(|one| one.revision);
                revision(&now) > revision(&known)
            });
            (moved.count() as u64, commands.len() as u64)
        };
        let all = wait_for(&mut reader, &mut settlements, self.wait, moved)?;
        let now = latest(&settlements.payouts);
        let asked: Vec<_> = commands.iter().filter_map(|command| now.get(&command.payout_id).cloned()).collect();
        print!("{}", papers::payouts(&asked));
        anyhow::ensure!(
            all,
            "the commands are written, and not all followed after {} s: is a processor running? Commands that are refused \
             are in dead-letters",
            self.wait
        );
        Ok(())
    }
}

fn minimum(text: &str) -> Result<Minimum, String> {
    let (currency, of) = text.split_once('=').ok_or("expected CURRENCY=AMOUNT, `EUR=25.00`")?;
    let currency = Currency::parse(currency).map_err(|error| error.to_string())?;
    Ok(Minimum { currency, amount: amount(of)? })
}

fn amount(text: &str) -> Result<Amount, String> {
    Amount::parse(text).map_err(|error| error.to_string())
}

/// A date is its midnight, UTC.
fn time(text: &str) -> Result<Micros, String> {
    let is_date = text.len() == 10 && text.contains('-');
    let time = if is_date { Micros::parse(&format!("{text}T00:00:00Z")) } else { Micros::parse(text) };
    time.map_err(|error| error.to_string())
}
