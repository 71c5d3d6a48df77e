//! The catalog of a row: the usual one, and what its contract cell changes.

use super::words::Words;
use crate::shop::{acme, publisher, tenant};
use schemas::catalog::{Catalog, coupon_id};
use schemas::decimal::{Amount, Currency, Ppm};
use schemas::name::{AdvertiserId, CampaignId, ContractId, CouponCode};
use schemas::offset::Offset;
use schemas::record::attribution::Model;
use schemas::record::catalog::{
    Approval, Campaign, CatalogEntry, Contract, Coupon, CustomerKind, EntityKind, FraudRule, FraudRuleName, FraudTerms,
    Link, Override, Publisher, PublisherContract, Rate,
};
use schemas::record::event::{Action, EvidenceSource};
use schemas::time::Micros;
use std::collections::BTreeMap;

pub struct World {
    contract: Contract,
    /// Of single publishers.
    own: BTreeMap<String, Contract>,
    campaigns: BTreeMap<String, Campaign>,
    links: BTreeMap<String, Link>,
    coupons: BTreeMap<String, Coupon>,
    publishers: BTreeMap<String, Publisher>,
    overrides: BTreeMap<String, Override>,
}

fn campaign_of(advertiser: &str) -> Campaign {
    Campaign {
        advertiser: AdvertiserId::new(advertiser).expect("a name"),
        name: "Campaign".into(),
        destination: "https://shop.example/".into(),
        contract: ContractId::new("terms").expect("a name"),
        look_back_seconds: 30 * 24 * 3600,
        active: true,
        minimum_seconds: 0,
        publisher_contracts: Vec::new(),
        budgets: Vec::new(),
        redirects: None,
    }
}

fn summer() -> CampaignId {
    CampaignId::new("summer").expect("a name")
}

fn link_of(name: &str) -> Link {
    let redirects = None;
    Link {
        campaign: summer(),
        publisher: publisher(name),
        active: true,
        valid_from: None,
        valid_until: None,
        redirects,
    }
}

fn coupon_of(name: Option<&str>) -> Coupon {
    let publisher = name.map(publisher);
    Coupon { advertiser: acme(), campaign: summer(), publisher, active: true, valid_from: None, valid_until: None }
}

impl World {
    pub fn new(phrases: &[&str]) -> Result<World, String> {
        let order = EvidenceSource::DEFAULT_ORDER.to_vec();
        let mut world = World {
            contract: Contract::percentage(Ppm(100_000), Ppm(300_000), Model::Last, 30, order),
            own: BTreeMap::new(),
            campaigns: [("summer", "acme"), ("theirs", "rival")]
                .map(|(id, of)| (id.to_owned(), campaign_of(of)))
                .into(),
            links: ["alpha", "beta", "gamma"].map(|name| (format!("L-{name}"), link_of(name))).into(),
            publishers: BTreeMap::new(),
            overrides: BTreeMap::new(),
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
            "minimum" => campaign.minimum_seconds = words.span()? / 1_000_000,
            "campaign" => campaign.active = !words.take("paused"),
            "override" => self.change_override(words)?,
            "hold" => self.fraud().hold_at = Some(words.expect("at").and_then(|()| words.parse())?),
            "reject" => self.fraud().reject_at = Some(words.expect("at").and_then(|()| words.parse())?),
            "customer" => {
                let customer = super::given::customer(words.next()?);
                words.expect("is")?;
                let own = words.next()?.to_owned();
                let publisher = Publisher { name: own.clone(), customers: vec![], addresses: vec![] };
                self.publishers.entry(own).or_insert(publisher).customers.push(customer);
            }
            "order" => {
                self.contract.evidence_order.clear();
                while words.peek().is_some() {
                    self.contract.evidence_order.push(source(words)?);
                }
            }
            "link" => {
                let link = self.links.entry(words.next()?.to_owned()).or_insert_with(|| link_of("alpha"));
                match words.take("of rival") {
                    true => link.campaign = CampaignId::new("theirs").expect("a name"),
                    false => (link.active, link.valid_from, link.valid_until) = in_force(words)?,
                }
            }
            "coupon" => {
                let coupon = self.coupons.entry(words.next()?.to_owned()).or_insert_with(|| coupon_of(Some("gamma")));
                match words.take("of rival") {
                    true => coupon.campaign = CampaignId::new("theirs").expect("a name"),
                    false => (coupon.active, coupon.valid_from, coupon.valid_until) = in_force(words)?,
                }
            }
            "flat" => {
                self.contract.flat = Some(amount(words)?);
                self.contract.currency = self.contract.currency.or(Some(Currency::USD));
            }
            "at" if words.take("least") => self.contract.minimum = Some(amount(words)?),
            "at" => self.contract.maximum = Some(words.expect("most").and_then(|()| amount(words))?),
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
            name if FraudRuleName::ALL.iter().any(|rule| rule.name() == name) => self.score(name, words)?,
            name => {
                let model = Model::ALL.into_iter().find(|model| model.name() == name);
                self.contract.paying_model = model.ok_or_else(|| format!("what is `{name}`?"))?;
            }
        }
        words.end()
    }

    fn fraud(&mut self) -> &mut FraudTerms {
        let none = FraudTerms { rules: vec![], hold_at: None, reject_at: None };
        self.contract.fraud.get_or_insert(none)
    }

    /// `velocity over 30 scores 40`, `too_soon under 10 s scores 60`, `bot_user_agent scores 100`
    fn score(&mut self, name: &str, words: &mut Words) -> Result<(), String> {
        let rule = FraudRuleName::ALL.into_iter().find(|rule| rule.name() == name).expect("the caller looked");
        let limit = match () {
            () if words.take("over") => words.parse()?,
            () if words.take("under") => words.span()?,
            () => 0,
        };
        words.expect("scores")?;
        let score = words.parse()?;
        self.fraud().rules.push(FraudRule { rule, limit, score });
        Ok(())
    }

    /// `override longer look-back 60 d for beta until 1 h before`
    fn change_override(&mut self, words: &mut Words) -> Result<(), String> {
        let id = words.next()?.to_owned();
        let mut changed = Override {
            campaign: None,
            publisher: None,
            look_back_seconds: None,
            minimum_seconds: None,
            expires_at: crate::shop::NOON.plus(crate::shop::DAY),
            approver: "ana".into(),
            why: "a test".into(),
        };
        while let Some(word) = words.peek() {
            words.next()?;
            match word {
                "look-back" => changed.look_back_seconds = Some(words.span()? / 1_000_000),
                "minimum" => changed.minimum_seconds = Some(words.span()? / 1_000_000),
                "for" if words.take("summer") => changed.campaign = Some(summer()),
                "for" => changed.publisher = Some(publisher(words.next()?)),
                "until" => changed.expires_at = words.time()?,
                word => return Err(format!("what is `{word}` in an override?")),
            }
        }
        self.overrides.insert(id, changed);
        Ok(())
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
        for (id, publisher) in &self.publishers {
            entries.push(CatalogEntry { publisher: Some(publisher.clone()), ..bare(EntityKind::Publisher, id) });
        }
        for (id, changed) in &self.overrides {
            entries.push(CatalogEntry { exception: Some(changed.clone()), ..bare(EntityKind::Override, id) });
        }
        let mut catalog = Catalog::default();
        for (offset, entry) in (0..).zip(entries) {
            catalog.apply(Offset(offset), entry);
        }
        catalog.skip_to(crate::shop::OPENED.next());
        catalog
    }
}

/// `paused`, `from 1 h before`, `until 1 h before`
fn in_force(words: &mut Words) -> Result<(bool, Option<Micros>, Option<Micros>), String> {
    let active = !words.take("paused");
    let from = words.take("from").then(|| words.time()).transpose()?;
    let until = words.take("until").then(|| words.time()).transpose()?;
    Ok((active, from, until))
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
