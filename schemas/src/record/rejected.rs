//! `rejected`: redirects and events that were not counted or accepted, with the reason and the measured value.

use crate::id::RejectedId;
use crate::name::{AdvertiserId, TenantId};
use crate::offset::Offset;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    pub rejected_id: RejectedId,
    pub what: RejectedWhat,
    pub tenant: TenantId,
    pub advertiser: Option<AdvertiserId>,
    pub link: Option<String>,
    pub event_id: Option<String>,
    /// A code, such as `head_request`.
    pub reason: String,
    pub value: String,
    pub occurred_at: Micros,
    pub catalog_offset: Offset,
    pub user_agent: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectedWhat {
    Click,
    Event,
}
