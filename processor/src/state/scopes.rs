//! The scopes of advertisers, remembered: a hash for every click would cost more than all else that is done with it.

use crate::state::keys::{self, Scope};
use hashbrown::HashMap;

/// Advertisers remembered at once; past it all are forgotten, which costs a hash each.
const REMEMBERED: usize = 100_000;

#[derive(Debug, Default)]
pub struct Scopes {
    known: HashMap<Box<[u8]>, Scope>,
    name: Vec<u8>,
}

impl Scopes {
    /// As `keys::scope`.
    pub fn of(&mut self, tenant: &str, advertiser: &str) -> Scope {
        self.name.clear();
        self.name.extend_from_slice(tenant.as_bytes());
        // No name holds a zero byte.
        self.name.push(0);
        self.name.extend_from_slice(advertiser.as_bytes());
        if let Some(scope) = self.known.get(self.name.as_slice()) {
            return *scope;
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let scope = keys::scope(tenant, advertiser);
        self.known.insert(self.name.as_slice().into(), scope);
        scope
    }
}
