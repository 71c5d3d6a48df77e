//! Amendments: other terms for one conversion than its contracts have. They travel in `candidates`, beside the events,
//! because they are inputs of the same conversion: what comes later, a refund, is then reckoned by the same terms.

use crate::codec::{self, DecodeError};
use crate::id::ConversionId;
use crate::name::{AdvertiserId, ContractId, TenantId};
use crate::record::catalog::{CatalogEntry, Contract};
use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Amendment {
    /// Of what is adjusted and how; given again it is the same amendment.
    pub amendment_id: String,
    pub tenant: TenantId,
    pub advertiser: AdvertiserId,
    pub conversion_id: ConversionId,
    /// In place of the contracts of the same ids.
    pub contracts: Vec<AmendedContract>,
    /// A person.
    pub by: String,
    pub why: String,
    /// Of amendments of one contract the latest holds, by (time, id).
    pub issued_at: Micros,
}

/// A contract as the catalog writes one, so that what a contract may say stands in one schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AmendedContract {
    /// A framed `CatalogEntry`.
    #[serde(with = "apache_avro::serde::bytes")]
    pub entry: Vec<u8>,
}

impl AmendedContract {
    pub fn new(entry: &CatalogEntry) -> Self {
        AmendedContract { entry: codec::encode(entry) }
    }

    /// # Errors
    /// It is no entry of a schema known here, or no contract's.
    pub fn read(&self) -> Result<(ContractId, Contract), DecodeError> {
        let bad = |reason: &str| DecodeError::Body { record: "Amendment", reason: reason.to_owned() };
        let entry: CatalogEntry = codec::decode(&self.entry)?;
        let id = ContractId::new(&entry.id).map_err(|_| bad("a contract's id is none"))?;
        Ok((id, entry.contract.ok_or_else(|| bad("an entry that is no contract"))?))
    }
}
