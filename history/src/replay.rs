//! Replays topic `candidates`: every conversion's set of inputs as decide merged it, partition by partition.
//!
//! A partition is read twice where a range is asked for: first for the conversions that could be in it, since a refund or a
//! click may stand before its sale, then for their inputs. So memory is bounded by the conversions in range of one partition;
//! without a range by all of one partition.

use crate::Error;
use crate::log;
use crate::progress::Progress;
use domain::decide;
use kafka::KafkaConfig;
use kafka::queue::Record;
use kafka::range::{self, Extent};
use schemas::catalog::Catalog;
use schemas::codec::{self, DecodeError};
use schemas::id::ConversionId;
use schemas::key;
use schemas::name::TenantId;
use schemas::record::amendment::Amendment;
use schemas::record::candidates::Candidates;
use schemas::record::command::ConversionCommand;
use schemas::record::event::Event;
use schemas::record::state::ConversionState;
use schemas::time::Micros;
use schemas::topic::Topic;
use std::collections::{BTreeMap, HashSet};

/// Which conversions are asked for: a tenant's, by the time of their event.
pub struct Scope {
    pub tenant: TenantId,
    pub from: Micros,
    /// The first moment that is not in it any more.
    pub to: Micros,
}

impl Scope {
    pub fn has(&self, at: Micros) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// The conversions of one partition with their inputs, without decision and books.
pub type Conversions = BTreeMap<ConversionId, ConversionState>;

pub struct Replay<'k> {
    config: &'k KafkaConfig,
    places: Vec<(kafka::group::Place, Extent)>,
    pub catalog: Catalog,
    progress: &'k Progress,
    /// Inputs that decide refused too: what it could not decode, or whose catalog was never written.
    pub passed_over: u64,
}

impl<'k> Replay<'k> {
    /// What stands in the topics now.
    pub fn open(config: &'k KafkaConfig, progress: &'k Progress) -> Result<Replay<'k>, Error> {
        let places = log::extents(config, Topic::Candidates)?;
        // After the ends: it holds all that those inputs were stamped with.
        let catalog = kafka::catalog::read(config)?;
        Ok(Replay { config, places, catalog, progress, passed_over: 0 })
    }

    /// Calls `each` with the conversions of each partition in turn; where there is a scope, with those that may be in it.
    pub fn partitions(
        &mut self,
        scope: Option<&Scope>,
        mut each: impl FnMut(&Catalog, Conversions) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let records = |extent: &Extent| u64::try_from(extent.end.0 - extent.first.0).unwrap_or(0);
        let times = if scope.is_some() { 2 } else { 1 };
        let all: u64 = self.places.iter().map(|(_, extent)| records(extent) * times).sum();
        self.progress.expect(all, "records of candidates");
        let mut done = 0;
        for (place, extent) in self.places.clone() {
            let wanted = scope.map(|scope| self.wanted(&place, extent, scope)).transpose()?;
            self.progress.at(done + records(&extent) * (times - 1));
            let mut conversions = Conversions::new();
            self.read(&place, extent, |replay, record| {
                let id = record.key.and_then(key::conversion_of);
                let asked = wanted.as_ref().is_none_or(|wanted| id.is_some_and(|id| wanted.contains(&id)));
                if asked && replay.take(&mut conversions, record).is_err() {
                    replay.passed_over += 1;
                }
            })?;
            // A refused input leaves nothing behind.
            conversions.retain(|_, state| *state != ConversionState::default());
            done += records(&extent) * times;
            self.progress.at(done);
            each(&self.catalog, conversions)?;
        }
        Ok(())
    }

    /// The conversions with an event in scope that could be the one they earn by.
    fn wanted(
        &mut self,
        place: &kafka::group::Place,
        extent: Extent,
        scope: &Scope,
    ) -> Result<HashSet<ConversionId>, Error> {
        let mut wanted = HashSet::new();
        self.read(place, extent, |_, record| {
            let Some(candidates) = record.value.and_then(|value| codec::decode::<Candidates>(value).ok()) else {
                return;
            };
            let Ok(event) = codec::decode::<Event>(&candidates.event) else { return };
            if candidates.tenant == scope.tenant && event.action.converts() && scope.has(event.occurred_at) {
                wanted.insert(candidates.conversion_id);
            }
        })?;
        Ok(wanted)
    }

    fn read(
        &mut self,
        place: &kafka::group::Place,
        extent: Extent,
        mut each: impl FnMut(&mut Self, Record<'_>),
    ) -> Result<(), Error> {
        let (config, progress) = (self.config, self.progress);
        let step = |record: Record<'_>| {
            each(self, record);
            progress.step()
        };
        range::read(config, place, extent.first, extent.end, step, || progress.check())
    }

    /// As decide's stage does.
    fn take(&self, conversions: &mut Conversions, record: Record<'_>) -> Result<(), DecodeError> {
        let value = record.value.unwrap_or_default();
        let refused = |reason: &str| DecodeError::Body { record: "Candidates", reason: reason.to_owned() };
        if codec::is_framed_as::<ConversionCommand>(value) {
            let command: ConversionCommand = codec::decode(value)?;
            decide::merge_command(conversions.entry(command.conversion_id).or_default(), &command);
        } else if codec::is_framed_as::<Amendment>(value) {
            let amendment: Amendment = codec::decode(value)?;
            decide::merge_amendment(conversions.entry(amendment.conversion_id).or_default(), &amendment)?;
        } else {
            let input: Candidates = codec::decode(value)?;
            let seen = codec::decode::<Event>(&input.event)?.catalog_offset;
            let of_touches = input.touches.iter().map(|touch| touch.catalog_offset);
            if of_touches.chain([seen]).any(|offset| !self.catalog.has_read(offset)) {
                return Err(refused("its catalog was never written"));
            }
            decide::merge(conversions.entry(input.conversion_id).or_default(), &input)?;
        }
        Ok(())
    }
}
