//! `clicks`: one record per counted redirect.

mod view;

pub use view::ClickView;

use crate::id::{ClickId, IpHash, JourneyId};
use crate::name::{AdvertiserId, CampaignId, LinkCode, PublisherId, TenantId};
use crate::offset::Offset;
use crate::time::Micros;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Click {
    pub click_id: ClickId,
    pub journey_id: JourneyId,
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub campaign: CampaignId,
    pub publisher: PublisherId,
    pub link: LinkCode,
    pub occurred_at: Micros,
    pub catalog_offset: Offset,
    /// The browser brought a valid journey cookie.
    pub returning: bool,
    pub referrer: Option<String>,
    pub user_agent: Option<String>,
    pub ip_hash: Option<IpHash>,
    /// `sub1`..`sub10` and `source`, aliases resolved.
    pub params: BTreeMap<String, String>,
    /// What the edge noticed (`marks`); empty for nearly every click.
    pub marks: String,
}
