//! Commands about one conversion: a person releases or rejects what a contract held. They travel in `candidates`, beside
//! the events, because they are inputs of the same conversion.

use crate::id::ConversionId;
use crate::name::{AdvertiserId, TenantId};
use crate::offset::Offset;
use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConversionCommand {
    /// Whoever gives it chooses it; given again it is the same command.
    pub command_id: String,
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub conversion_id: ConversionId,
    pub verb: Verb,
    /// A person.
    pub by: String,
    pub why: String,
    /// The latest command of a conversion holds, by (time, id).
    pub issued_at: Micros,
    pub catalog_offset: Offset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    Release,
    Reject,
}

impl Verb {
    pub fn name(self) -> &'static str {
        match self {
            Verb::Release => "release",
            Verb::Reject => "reject",
        }
    }
}
