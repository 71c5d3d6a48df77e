//! `attributions`: the credits of one publisher for one conversion under every model. A new revision first repeats the
//! old record with sign -1, so that sums stay additive.

use crate::decimal::{Amount, AttributedValue, Credit, Currency};
use crate::id::{ClickId, ConversionId};
use crate::name::{AdvertiserId, CampaignId, PublisherId, TenantId};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    pub conversion_id: ConversionId,
    pub revision: i32,
    /// 1, or -1 where a revision takes an earlier record back.
    pub sign: i32,
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub publisher: PublisherId,
    pub action: String,
    pub occurred_at: Micros,
    pub value: Amount,
    pub currency: Currency,
    pub credits: Vec<CreditRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditRow {
    pub model: Model,
    /// None for a synthetic touch.
    pub click_id: Option<ClickId>,
    pub touch_at: Micros,
    pub campaign: CampaignId,
    pub link: String,
    pub credit: Credit,
    pub attributed_value: AttributedValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    Last,
    First,
    Linear,
    Position,
    TimeDecay,
}

impl Model {
    pub const ALL: [Model; 5] = [Model::Last, Model::First, Model::Linear, Model::Position, Model::TimeDecay];

    pub fn name(self) -> &'static str {
        match self {
            Model::Last => "last",
            Model::First => "first",
            Model::Linear => "linear",
            Model::Position => "position",
            Model::TimeDecay => "time_decay",
        }
    }
}
