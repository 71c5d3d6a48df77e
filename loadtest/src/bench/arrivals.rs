//! Several partitions as one stream in the order of arrival: by the records' timestamps, as the log has them.

use kafka::group::Place;
use kafka::range::{self, Extent};
use kafka::{Error, KafkaConfig};
use schemas::time::Micros;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Records handed over at once, and how often that before a reader waits: a few megabytes per partition.
const CHUNK: usize = 1000;
const CHUNKS: usize = 8;

/// A record as it lies in its partition.
pub struct Arrival {
    pub at: Micros,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// One thread per partition reads ahead; `take` merges.
pub struct Arrivals(Vec<Source>);

struct Source {
    chunks: Receiver<Vec<Arrival>>,
    chunk: std::vec::IntoIter<Arrival>,
    next: Option<Arrival>,
    thread: Option<JoinHandle<Result<(), Stopped>>>,
}

enum Stopped {
    Kafka(Error),
    /// The receiver was dropped: nobody wants the rest.
    Unwanted,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Kafka(error)
    }
}

impl Arrivals {
    /// Reads what is in these partitions now.
    pub fn open(config: &KafkaConfig, places: &[Place]) -> Result<Self, Error> {
        let extents = range::extents(config, places)?;
        let mut sources = Vec::with_capacity(places.len());
        for (place, extent) in places.iter().zip(extents) {
            let (sender, chunks) = sync_channel(CHUNKS);
            let (config, place) = (config.clone(), place.clone());
            let thread = std::thread::spawn(move || read(&config, &place, extent, &sender));
            sources.push(Source { chunks, chunk: Vec::new().into_iter(), next: None, thread: Some(thread) });
        }
        for source in &mut sources {
            source.advance()?;
        }
        Ok(Arrivals(sources))
    }

    /// The next record and the place, as an index, that it comes from; equal times in the order of places.
    pub fn take(&mut self) -> Result<Option<(usize, Arrival)>, Error> {
        let waiting = self.0.iter().enumerate().filter_map(|(at, source)| Some((source.next.as_ref()?.at, at)));
        let Some((_, first)) = waiting.min() else { return Ok(None) };
        let source = &mut self.0[first];
        let taken = source.next.take();
        source.advance()?;
        Ok(taken.map(|arrival| (first, arrival)))
    }
}

impl Source {
    fn advance(&mut self) -> Result<(), Error> {
        loop {
            self.next = self.chunk.next();
            if self.next.is_some() {
                return Ok(());
            }
            match self.chunks.recv() {
                Ok(chunk) => self.chunk = chunk.into_iter(),
                // The reader is done: with the partition, or with an error.
                Err(_) => {
                    return match self.thread.take().map(JoinHandle::join) {
                        Some(Ok(Err(Stopped::Kafka(error)))) => Err(error),
                        Some(Err(panic)) => std::panic::resume_unwind(panic),
                        Some(Ok(_)) | None => Ok(()),
                    };
                }
            }
        }
    }
}

fn read(config: &KafkaConfig, place: &Place, extent: Extent, sender: &SyncSender<Vec<Arrival>>) -> Result<(), Stopped> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let each = |record: kafka::queue::Record<'_>| {
        let bytes = |bytes: Option<&[u8]>| bytes.unwrap_or_default().to_vec();
        chunk.push(Arrival { at: record.timestamp, key: bytes(record.key), value: bytes(record.value) });
        if chunk.len() < CHUNK {
            return Ok(());
        }
        let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK));
        sender.send(full).map_err(|_| Stopped::Unwanted)
    };
    range::read(config, place, extent.first, extent.end, each, || Ok(()))?;
    sender.send(chunk).map_err(|_| Stopped::Unwanted)
}
