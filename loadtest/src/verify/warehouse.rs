//! What ClickHouse holds of a run, and the whole tables' books. All SQL of the load test but the visibility sample is here.
//!
//! Tables may hold rows of earlier runs: a run's clicks carry it as `source`, its event ids begin with it.

use crate::clickhouse::ClickHouse;
use crate::error::Error;
use crate::record::RunId;
use schemas::decimal::{Amount, AttributedValue, Credit};
use schemas::id::{ClickId, ConversionId};
use std::str::FromStr;

pub struct Warehouse {
    clickhouse: ClickHouse,
    run: RunId,
}

/// How far a run's rows have come; equal counts at two times mean that nothing moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub clicks: u64,
    pub conversions: u64,
    /// Of these, decided as attributed.
    pub attributed: u64,
    /// Conversions with credits that are not taken back.
    pub credited: u64,
    /// By the decisions.
    pub commission: Amount,
    /// By the journal.
    pub posted: Amount,
    pub decision_rows: u64,
    pub attribution_rows: u64,
    pub journal_rows: u64,
}

/// A current decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    pub event_id: String,
    pub conversion: ConversionId,
    pub outcome: String,
    pub value: Amount,
}

/// A publisher's credit for a conversion under a model, revisions summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditRow {
    pub conversion: ConversionId,
    pub model: String,
    pub publisher: String,
    pub credit: Credit,
    pub value: AttributedValue,
}

/// What was posted to an account for a conversion, in an entry about a publisher; revisions summed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingRow {
    pub conversion: ConversionId,
    pub publisher: String,
    pub kind: String,
    pub currency: String,
    pub amount: Amount,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookRow {
    pub currency: String,
    pub debits: Amount,
    pub credits: Amount,
    pub entries: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Balance {
    pub publisher: String,
    pub currency: String,
    pub held: Amount,
}

/// A figure that can be had in two ways, which must be equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    pub name: String,
    pub table: String,
    pub hourly: String,
}

/// All that is compared.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Sorted, repeated ones too.
    pub clicks: Vec<ClickId>,
    pub decisions: Vec<DecisionRow>,
    /// Rows of decisions that stand there more than once with the same revision.
    pub repeated_decisions: u64,
    pub credits: Vec<CreditRow>,
    pub postings: Vec<PostingRow>,
    /// Of the whole journal, also other runs.
    pub books: Vec<BookRow>,
    /// By the view `publisher_balances`.
    pub balances: Vec<Balance>,
    /// The same from the journal's rows.
    pub posted_balances: Vec<Balance>,
    pub hourly: Vec<Pair>,
}

impl Warehouse {
    pub fn new(clickhouse: ClickHouse, run: RunId) -> Self {
        Warehouse { clickhouse, run }
    }

    fn own_events(&self) -> String {
        // The event id of journey 7 is E{run}-7, and a run has no dash in its name.
        format!("startsWith(event_id, '{}')", self.run.event_id(0).trim_end_matches('0'))
    }

    fn own_conversions(&self) -> String {
        format!("conversion_id IN (SELECT conversion_id FROM decisions WHERE {})", self.own_events())
    }

    pub async fn counts(&self) -> Result<Counts, Error> {
        let (run, events, conversions) = (&self.run, self.own_events(), self.own_conversions());
        let sql = format!(
            "SELECT (SELECT count() FROM clicks WHERE params['source'] = '{run}'),
                c.1, c.2, c.3, a.1, a.2, j.1, j.2, (SELECT count() FROM decisions WHERE {events})
            FROM (SELECT
                (SELECT tuple(count(), countIf(outcome = 'attributed'), sum(commission))
                    FROM conversions WHERE {events}) AS c,
                (SELECT tuple(countIf(net > 0), sum(rows)) FROM (SELECT sum(sign * credit) AS net, count() AS rows
                    FROM attributions WHERE {conversions} GROUP BY conversion_id)) AS a,
                (SELECT tuple(sumIf(amount, account_kind = 'advertiser'), count())
                    FROM journal WHERE {conversions}) AS j)"
        );
        let text = self.clickhouse.query(sql).await?;
        let mut row = Row::new(text.trim_end_matches('\n'));
        Ok(Counts {
            clicks: row.next("a count of clicks")?,
            conversions: row.next("a count of conversions")?,
            attributed: row.next("a count of attributed conversions")?,
            commission: row.decimal("the decisions' commission")?,
            credited: row.next("a count of credited conversions")?,
            attribution_rows: row.next("a count of attributions")?,
            posted: row.decimal("the journal's commission")?,
            journal_rows: row.next("a count of postings")?,
            decision_rows: row.next("a count of decisions")?,
        })
    }

    pub async fn found(&self) -> Result<Found, Error> {
        let mut clicks = self.clicks().await?;
        clicks.sort_unstable();
        Ok(Found {
            clicks,
            decisions: self.decisions().await?,
            repeated_decisions: self.repeated_decisions().await?,
            credits: self.credits().await?,
            postings: self.postings().await?,
            books: self.books().await?,
            balances: self.balances("SELECT publisher, currency, held FROM publisher_balances").await?,
            posted_balances: self
                .balances(
                    "SELECT publisher, currency, -sum(amount) FROM journal WHERE account_kind = 'publisher'
                    GROUP BY publisher, currency",
                )
                .await?,
            hourly: self.hourly().await?,
        })
    }

    async fn rows<T>(&self, sql: String, parse: impl Fn(&mut Row) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        let text = self.clickhouse.query(sql).await?;
        text.lines().map(|line| parse(&mut Row::new(line))).collect()
    }

    async fn clicks(&self) -> Result<Vec<ClickId>, Error> {
        let sql = format!("SELECT click_id FROM clicks WHERE params['source'] = '{}'", self.run);
        self.rows(sql, |row| row.uuid().map(ClickId)).await
    }

    async fn decisions(&self) -> Result<Vec<DecisionRow>, Error> {
        let events = self.own_events();
        let sql = format!("SELECT event_id, conversion_id, outcome, value FROM conversions WHERE {events}");
        self.rows(sql, |row| {
            Ok(DecisionRow {
                event_id: row.next("an event id")?,
                conversion: row.uuid().map(ConversionId)?,
                outcome: row.next("an outcome")?,
                value: row.decimal("a value")?,
            })
        })
        .await
    }

    async fn repeated_decisions(&self) -> Result<u64, Error> {
        let events = self.own_events();
        let sql = format!("SELECT count() - uniqExact(conversion_id, revision) FROM decisions WHERE {events}");
        Ok(self.rows(sql, |row| row.next::<u64>("a count of decisions")).await?.into_iter().sum())
    }

    async fn credits(&self) -> Result<Vec<CreditRow>, Error> {
        let conversions = self.own_conversions();
        let sql = format!(
            "SELECT conversion_id, model, publisher, sum(sign * credit) AS net, sum(sign * attributed_value)
            FROM attributions WHERE {conversions} GROUP BY conversion_id, model, publisher HAVING sum(sign) != 0 OR net != 0"
        );
        self.rows(sql, |row| {
            Ok(CreditRow {
                conversion: row.uuid().map(ConversionId)?,
                model: row.next("a model")?,
                publisher: row.next("a publisher")?,
                credit: row.decimal("a credit")?,
                value: row.decimal("an attributed value")?,
            })
        })
        .await
    }

    async fn postings(&self) -> Result<Vec<PostingRow>, Error> {
        let conversions = self.own_conversions();
        let sql = format!(
            "SELECT conversion_id, publisher, account_kind, currency, sum(amount) AS net FROM journal
            WHERE {conversions} GROUP BY conversion_id, publisher, account_kind, currency HAVING net != 0"
        );
        self.rows(sql, |row| {
            Ok(PostingRow {
                conversion: row.uuid().map(ConversionId)?,
                publisher: row.next("a publisher")?,
                kind: row.next("a kind of account")?,
                currency: row.next("a currency")?,
                amount: row.decimal("an amount")?,
            })
        })
        .await
    }

    async fn books(&self) -> Result<Vec<BookRow>, Error> {
        let sql =
            "SELECT currency, sum(debits), sum(credits), sum(entries) FROM books GROUP BY currency ORDER BY currency";
        self.rows(sql.to_owned(), |row| {
            Ok(BookRow {
                currency: row.next("a currency")?,
                debits: row.decimal("debits")?,
                credits: row.decimal("credits")?,
                entries: row.next("a count of entries")?,
            })
        })
        .await
    }

    async fn balances(&self, sql: &str) -> Result<Vec<Balance>, Error> {
        let mut balances = self
            .rows(sql.to_owned(), |row| {
                let (publisher, currency) = (row.next("a publisher")?, row.next("a currency")?);
                Ok(Balance { publisher, currency, held: row.decimal("a balance")? })
            })
            .await?;
        balances.sort();
        Ok(balances)
    }

    /// The view `hourly` reads the tables' projections: one that does not hold what its table does would show here.
    async fn hourly(&self) -> Result<Vec<Pair>, Error> {
        let pairs = [
            ("clicks", "(SELECT toInt64(count()) FROM clicks)"),
            ("conversions", "(SELECT sum(sign * credit) FROM attributions WHERE model = 'last')"),
            ("value", "(SELECT sum(sign * attributed_value) FROM attributions WHERE model = 'last')"),
            ("commission", "(SELECT sum(amount) FROM journal WHERE account_kind = 'advertiser')"),
            ("payout", "(SELECT -sum(amount) FROM journal WHERE account_kind = 'publisher')"),
            ("platform_fee", "(SELECT -sum(amount) FROM journal WHERE account_kind = 'platform')"),
        ];
        let select =
            |(name, table): (&str, &str)| format!("SELECT '{name}', {table}, (SELECT sum({name}) FROM hourly)");
        let mut found = Vec::new();
        for pair in pairs {
            let row = |row: &mut Row| {
                Ok(Pair { name: row.next("a name")?, table: row.next("a sum")?, hourly: row.next("a sum")? })
            };
            found.extend(self.rows(select(pair), row).await?);
        }
        Ok(found)
    }
}

/// The fields of a TSV row; nothing that is asked for holds a tab or needs escapes.
struct Row<'a>(std::str::Split<'a, char>);

impl<'a> Row<'a> {
    fn new(line: &'a str) -> Self {
        Row(line.split('\t'))
    }

    fn next<T: FromStr>(&mut self, expected: &'static str) -> Result<T, Error> {
        let text = self.0.next().unwrap_or_default();
        text.parse().map_err(|_| Error::UnexpectedAnswer { expected, given: text.to_owned() })
    }

    /// An empty sum is NULL in a scalar subquery.
    fn decimal<T: FromStr>(&mut self, expected: &'static str) -> Result<T, Error> {
        let text = self.0.next().unwrap_or_default();
        let number = if text == "\\N" { "0" } else { text };
        number.parse().map_err(|_| Error::UnexpectedAnswer { expected, given: text.to_owned() })
    }

    fn uuid(&mut self) -> Result<[u8; 16], Error> {
        let text = self.0.next().unwrap_or_default();
        let digits = text.replace('-', "");
        let number = (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
        let bad = || Error::UnexpectedAnswer { expected: "a UUID", given: text.to_owned() };
        number.map(u128::to_be_bytes).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_or_named() {
        let mut row = Row::new("01020304-0506-0708-090a-0b0c0d0e0f10\t0.5\t\\N\tx\t-3");
        assert_eq!(row.uuid().expect("a UUID")[15], 16);
        assert_eq!(row.decimal::<Credit>("a credit").expect("a credit").0, 500_000_000_000);
        assert_eq!(row.decimal::<Amount>("a sum").expect("nothing"), Amount::ZERO);
        let error = row.next::<u64>("a count").expect_err("no number").to_string();
        assert_eq!(error, "ClickHouse answered \"x\" where a count was asked for");
        assert!(row.uuid().is_err());
    }
}
