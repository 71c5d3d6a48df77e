//! `tributary release` and `tributary reject`: a person's word on one conversion.

use anyhow::ensure;
use kafka::KafkaConfig;
use kafka::catalog::problem::did_you_mean;
use schemas::catalog::Catalog;
use schemas::id::ConversionId;
use schemas::limits::FOREIGN_ID_BYTES;
use schemas::name::{AdvertiserId, TenantId};
use schemas::record::catalog::EntityKind;
use schemas::record::command::{ConversionCommand, Verb};
use schemas::time::Micros;

/// A name and a sentence; more belongs where the sentence points to.
const LONGEST_TEXT: usize = 200;

#[derive(clap::Args)]
pub struct Word {
    /// 32 hexadecimal digits are a conversion's id, anything else is an order id
    #[arg(value_name = "CONVERSION|ORDER")]
    conversion: String,
    /// Whose conversion it is
    #[arg(long)]
    advertiser: String,
    #[arg(long, default_value = "default")]
    tenant: String,
    /// Who says so: a person
    #[arg(long)]
    by: String,
    /// Why; the decision shows it
    #[arg(long)]
    reason: String,
    /// It is an order id, though it looks like a conversion's
    #[arg(long)]
    order: bool,
}

impl Word {
    pub fn execute(self, verb: Verb, kafka: &KafkaConfig, now: Micros) -> anyhow::Result<()> {
        let (command, place) = kafka::command::write(kafka, |catalog| self.command(verb, catalog, now))?;
        let ConversionCommand { conversion_id, advertiser, tenant, by, command_id, .. } = &command;
        let place = place.map_or(String::new(), |place| format!(", offset {}", place.0));
        println!("{} of conversion {conversion_id} by {by} is written (command {command_id}{place})", verb.name());
        println!(
            "advertiser {advertiser} of tenant {tenant}; it counts as soon as the processor has read it, also for a conversion \
             that is still to come, until a later command says otherwise"
        );
        Ok(())
    }

    fn command(&self, verb: Verb, catalog: &Catalog, now: Micros) -> anyhow::Result<ConversionCommand> {
        let tenant = TenantId::new(&self.tenant)?;
        let advertiser = AdvertiserId::new(&self.advertiser)?;
        if catalog.newest_of(EntityKind::Advertiser, &tenant, advertiser.as_str()).is_none() {
            let known = catalog.newest(EntityKind::Advertiser).filter(|entry| entry.tenant == tenant);
            let hint = did_you_mean(advertiser.as_str(), known.map(|entry| entry.id.as_str()));
            anyhow::bail!("--advertiser {advertiser}: no such advertiser in the catalog of tenant {tenant}{hint}");
        }
        Ok(ConversionCommand {
            command_id: format!("{}-{now}", verb.name()),
            conversion_id: self.conversion_id(&tenant, &advertiser)?,
            tenant,
            advertiser,
            verb,
            by: printable("--by", &self.by)?,
            why: printable("--reason", &self.reason)?,
            issued_at: now,
            catalog_offset: catalog.read_to(),
        })
    }

    fn conversion_id(&self, tenant: &TenantId, advertiser: &AdvertiserId) -> anyhow::Result<ConversionId> {
        let given = &self.conversion;
        if !self.order
            && let Ok(id) = given.parse()
        {
            return Ok(id);
        }
        let good = (1..=FOREIGN_ID_BYTES).contains(&given.len());
        ensure!(good, "{given:?}: expected a conversion's id or an order id of 1 to {FOREIGN_ID_BYTES} bytes");
        Ok(ConversionId::of_order(tenant, advertiser, given))
    }
}

fn printable(flag: &str, text: &str) -> anyhow::Result<String> {
    let text = text.trim();
    let good = (1..=LONGEST_TEXT).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    ensure!(good, "{flag}: expected 1 to {LONGEST_TEXT} printable characters");
    Ok(text.to_owned())
}
