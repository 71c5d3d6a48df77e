//! The catalog of a row: the usual one, and what its contract cell changes.

use super::words::Words;
use crate::shop::{acme, publisher, tenant};
use schemas::catalog::{Catalog, coupon_id};
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::name::{AdvertiserId, CampaignId, ContractId, CouponCode};
use schemas::offset::Offset;
use schemas::record::attribution::Model;
use schemas::record::catalog::{
    Approval, Campaign, CatalogEntry, Contract, Coupon, CustomerKind, EntityKind, Link, PublisherContract, Rate,
};
use schemas::record::event::{Action, EvidenceSource};
use std::collections::BTreeMap;

pub struct World {
    contract: Contract,
    /// Of single publishers.
    own: BTreeMap<String, Contract>,
    campaigns: BTreeMap<String, Campaign>,
    links: BTreeMap<String, Link>,
    coupons: BTreeMap<String, Coupon>,
}

fn campaign_of(advertiser: &str) -> Campaign {
    Campaign {
        advertiser: AdvertiserId::new(advertiser).expect("a name"),
        name: "Campaign".into(),
        destination: "https://shop.example/".into(),
        contract: ContractId::new("terms").expect("a name"),
        look_back_seconds: 30 * 24 * 3600,
        active: true,
        publisher_contracts: Vec::new(),
    }
}

fn summer() -> CampaignId {
    CampaignId::new("summer").expect("a name")
}

fn link_of(name: &str) -> Link {
    Link { campaign: summer(), publisher: publisher(name), active: true }
}

fn coupon_of(name: Option<&str>) -> Coupon {
    Coupon { advertiser: acme(), campaign: summer(), publisher: name.map(publisher), active: true }
}

impl World {
    pub fn new(phrases: &[&str]) -> Result<World, String> {
        let order = EvidenceSource::DEFAULT_ORDER.to_vec();
        let mut world = World {
            contract: Contract::percentage(Ppm(100_000), Ppm(300_000), Model::Last, 30, order),
            own: BTreeMap::new(),
            campaigns: [("summer".to_owned(), campaign_of("acme"))].into(),
            links: ["alpha", "beta", "gamma"].map(|name| (format!("L-{name}"), link_of(name))).into(),
            coupons: [("SAVE10".to_owned(), coupon_of(Some("gamma"))), ("ANY".to_owned(), coupon_of(None))].into(),
        };
        phrases.iter().try_for_each(|phrase| world.change(&mut Words::of(phrase)))?;
        Ok(world)
    }

    fn change(&mut self, words: &mut Words) -> Result<(), String> {
        let campaign = self.campaigns.get_mut("summer").expect("the usual campaign");
        match words.next()? {
            "platform" => self.contract.platform_share_ppm = percent(words)?,
            "look-back" => campaign.look_back_seconds = words.span()? / 1_000_000,
            "campaign" => campaign.active = !words.take("paused"),
            "order" => {
                self.contract.evidence_order.clear();
                while words.peek().is_some() {
                    self.contract.evidence_order.push(source(words)?);
                }
            }
            "link" => {
                let link = self.links.entry(words.next()?.to_owned()).or_insert_with(|| link_of("alpha"));
                link.active = !words.take("paused");
            }
            "coupon" => {
                let coupon = self.coupons.entry(words.next()?.to_owned()).or_insert_with(|| coupon_of(Some("gamma")));
                coupon.active = !words.take("paused");
            }
            "flat" => {
                self.contract.flat = Some(amount(words)?);
                self.contract.currency = self.contract.currency.or(Some(Currency::USD));
            }
            "minimum" => self.contract.minimum = Some(amount(words)?),
            "maximum" => self.contract.maximum = Some(amount(words)?),
            "currency" => self.contract.currency = Some(currency(words)?),
            "approval" => {
                words.expect("explicit")?;
                self.contract.approval = Approval::Explicit;
            }
            "rate" => self.contract.rates.push(rate(words)?),
            "publisher" => {
                let name = words.next()?.to_owned();
                let own = self.own.entry(name).or_insert_with(|| self.contract.clone());
                match words.take("platform") {
                    true => own.platform_share_ppm = percent(words)?,
                    false => own.commission_rate_ppm = percent(words)?,
                }
            }
            number if words.peek() == Some("%") => {
                words.expect("%")?;
                self.contract.commission_rate_ppm = ppm(number)?;
            }
            name => {
                let model = Model::ALL.into_iter().find(|model| model.name() == name);
                self.contract.paying_model = model.ok_or_else(|| format!("what is `{name}`?"))?;
            }
        }
        words.end()
    }

    /// All of it has been in force since ever.
    pub fn catalog(&self) -> Catalog {
        let bare = |kind, id: &str| CatalogEntry::bare(kind, tenant(), id);
        let mut entries =
            vec![CatalogEntry { contract: Some(self.contract.clone()), ..bare(EntityKind::Contract, "terms") }];
        let mut publisher_contracts = Vec::new();
        for (name, contract) in &self.own {
            let id = format!("terms-of-{name}");
            entries.push(CatalogEntry { contract: Some(contract.clone()), ..bare(EntityKind::Contract, &id) });
            let contract = ContractId::new(&id).expect("a name");
            publisher_contracts.push(PublisherContract { publisher: publisher(name), contract });
        }
        for (id, campaign) in &self.campaigns {
            let campaign = Campaign { publisher_contracts: publisher_contracts.clone(), ..campaign.clone() };
            entries.push(CatalogEntry { campaign: Some(campaign), ..bare(EntityKind::Campaign, id) });
        }
        for (code, link) in &self.links {
            entries.push(CatalogEntry { link: Some(link.clone()), ..bare(EntityKind::Link, code) });
        }
        for (code, coupon) in &self.coupons {
            let id = coupon_id(&acme(), &CouponCode::fold(code).expect("a code"));
            entries.push(CatalogEntry { coupon: Some(coupon.clone()), ..bare(EntityKind::Coupon, &id) });
        }
        let mut catalog = Catalog::default();
        for (offset, entry) in (0..).zip(entries) {
            catalog.apply(Offset(offset), entry);
        }
        catalog.skip_to(crate::shop::OPENED.next());
        catalog
    }
}

fn percent(words: &mut Words) -> Result<Ppm, String> {
    let ppm = ppm(words.next()?)?;
    words.expect("%").map(|()| ppm)
}

fn ppm(number: &str) -> Result<Ppm, String> {
    let percent = Amount::parse(number).map_err(|error| error.to_string())?;
    i64::try_from(percent.0 / 100).map(Ppm).map_err(|error| error.to_string())
}

fn amount(words: &mut Words) -> Result<Amount, String> {
    Amount::parse(words.next()?).map_err(|error| error.to_string())
}

fn currency(words: &mut Words) -> Result<Currency, String> {
    Currency::parse(words.next()?).map_err(|error| error.to_string())
}

/// `event signup flat 5.00`, `sku mug 20 %`, `category books customer new 15 %`
fn rate(words: &mut Words) -> Result<Rate, String> {
    let mut rate = crate::shop::rate();
    loop {
        match words.next()? {
            "event" => rate.action = Action::parse(words.next()?),
            "sku" => rate.sku = Some(words.next()?.to_owned()),
            "category" => rate.category = Some(words.next()?.to_owned()),
            "customer" => rate.customer = Some(customer(words.next()?)?),
            "flat" => {
                rate.flat = Some(amount(words)?);
                return Ok(rate);
            }
            number => {
                rate.rate_ppm = ppm(number)?;
                return words.expect("%").map(|()| rate);
            }
        }
    }
}

fn customer(name: &str) -> Result<CustomerKind, String> {
    let found = CustomerKind::ALL.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| format!("`{name}` is no kind of customer"))
}

fn source(words: &mut Words) -> Result<EvidenceSource, String> {
    let name = words.next()?;
    let found = EvidenceSource::DEFAULT_ORDER.into_iter().find(|source| source.name() == name);
    found.ok_or_else(|| format!("`{name}` is no evidence"))
}
