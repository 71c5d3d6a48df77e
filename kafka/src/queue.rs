//! A queue of our own in front of a consumer, from which the records of one topic are taken in batches and read in
//! place; and the bell that says that there are some.
//!
//! Source: librdkafka's `rd_kafka_consume_batch_queue`; measured 2.6-2.9 M messages/s against 0.5-0.7 M by `poll`.
//! **Invariant:** a queue is dropped before its consumer, else the consumer's destruction waits for ever.

#![allow(unsafe_code)] // batch consumption is not in the rdkafka crate

use crate::error::Error;
use rdkafka::bindings as native;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use schemas::offset::{NextOffset, Offset};
use schemas::time::Micros;
use std::ffi::{CString, c_void};
use std::ptr::NonNull;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Records taken at once, at most.
pub const BATCH: usize = 4096;

/// A record, borrowed from librdkafka's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub topic: &'a str,
    pub partition: i32,
    pub offset: Offset,
    /// The broker's or the producer's time, as the topic is configured; 0 where there is none.
    pub timestamp: Micros,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
}

/// What a queue holds.
pub enum Taken<'a> {
    Record(Record<'a>),
    /// The end of a partition was reached; reading goes on at `next`, past aborted records and control markers.
    End {
        partition: i32,
        next: NextOffset,
    },
    Failed(KafkaError),
}

/// Rings when a queue that was empty gets something. librdkafka's own waiting stays until a batch is full.
#[derive(Default)]
pub struct Bell {
    rung: Mutex<bool>,
    struck: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.struck.notify_one();
    }

    /// Returns when it rings, at once if it rang since the last call, and at the latest after `wait`. To be called
    /// when all its queues were found empty.
    pub fn wait(&self, wait: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut rung, _) =
            self.struck.wait_timeout_while(rung, wait, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

/// A queue that the partitions of one topic are forwarded to. Its own limits hold for it alone, so that a topic with
/// millions of records waiting takes no room from another.
pub struct OwnQueue {
    queue: NonNull<native::rd_kafka_queue_t>,
    topic: String,
    bell: Arc<Bell>,
    batch: Vec<*mut native::rd_kafka_message_t>,
}

// SAFETY: librdkafka's queues may be used from any thread; `batch` holds no message between calls.
unsafe impl Send for OwnQueue {}

/// librdkafka calls it with the queue locked: nothing of the queue's may be called here.
unsafe extern "C" fn ring(_client: *mut native::rd_kafka_t, bell: *mut c_void) {
    // SAFETY: the queue that calls holds an `Arc` of the bell, and ends its calls before it drops that.
    unsafe { &*bell.cast::<Bell>() }.ring();
}

impl OwnQueue {
    pub fn new<C: ClientContext>(client: &Client<C>, topic: &str, bell: &Arc<Bell>) -> Self {
        // SAFETY: the client is alive; `rd_kafka_queue_new` does not fail but for lack of memory.
        let queue = unsafe { native::rd_kafka_queue_new(client.native_ptr()) };
        let queue = NonNull::new(queue).expect("librdkafka allocates a queue");
        let (bell, batch) = (Arc::clone(bell), vec![std::ptr::null_mut(); BATCH]);
        // SAFETY: the bell lives until `drop` has ended the calls.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(ring), Arc::as_ptr(&bell).cast_mut().cast());
        }
        OwnQueue { queue, topic: topic.to_owned(), bell, batch }
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Sends a partition's records here instead of to the consumer's main queue. To be called before it is assigned.
    pub fn forward<C: ClientContext>(&self, client: &Client<C>, partition: i32) -> Result<(), Error> {
        let name = CString::new(self.topic.as_str()).map_err(|error| Error::new("forward", KafkaError::Nul(error)))?;
        // SAFETY: client and queue are alive; the reference to the partition's queue is given back at once.
        unsafe {
            let of_partition = native::rd_kafka_queue_get_partition(client.native_ptr(), name.as_ptr(), partition);
            if of_partition.is_null() {
                let source = KafkaError::MessageConsumption(RDKafkaErrorCode::UnknownPartition);
                return Err(Error::new("partition queue", source));
            }
            native::rd_kafka_queue_forward(of_partition, self.queue.as_ptr());
            native::rd_kafka_queue_destroy(of_partition);
        }
        Ok(())
    }

    /// Takes what is there now, up to `most` and a batch; says how many.
    pub fn take(&mut self, most: usize, mut each: impl FnMut(Taken<'_>)) -> usize {
        let most = most.min(self.batch.len());
        // SAFETY: the queue is alive and `batch` has room for so many pointers.
        let taken =
            unsafe { native::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, self.batch.as_mut_ptr(), most) };
        let taken = usize::try_from(taken).unwrap_or(0);
        for &pointer in &self.batch[..taken] {
            // SAFETY: librdkafka gave us this message; it is destroyed below and nowhere else.
            let message = unsafe { &*pointer };
            each(match message.err {
                // SAFETY: what the record borrows lives as long as the message; `each` has it for the call only.
                native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => {
                    Taken::Record(unsafe { record(&self.topic, pointer, message) })
                }
                native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF => {
                    Taken::End { partition: message.partition, next: NextOffset(message.offset) }
                }
                error => Taken::Failed(KafkaError::MessageConsumption(error.into())),
            });
            // SAFETY: as above.
            unsafe { native::rd_kafka_message_destroy(pointer) };
        }
        taken
    }
}

impl Drop for OwnQueue {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once, before the consumer. Ending the calls takes the queue's lock, under which they
        // are made: none is under way after it, so the bell may go.
        unsafe {
            native::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, std::ptr::null_mut());
            native::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
        self.bell.ring();
    }
}

/// # Safety
/// `pointer` is a live message without error.
unsafe fn record<'a>(
    topic: &'a str,
    pointer: *mut native::rd_kafka_message_t,
    message: &'a native::rd_kafka_message_t,
) -> Record<'a> {
    // SAFETY: librdkafka's contract for a message without error.
    unsafe {
        let bytes = |data: *mut c_void, length: usize| {
            (!data.is_null()).then(|| std::slice::from_raw_parts(data.cast::<u8>(), length))
        };
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        let millis = native::rd_kafka_message_timestamp(pointer, &raw mut kind);
        Record {
            topic,
            partition: message.partition,
            offset: Offset(message.offset),
            timestamp: Micros(millis.max(0) * 1000),
            key: bytes(message.key, message.key_len),
            value: bytes(message.payload, message.len),
        }
    }
}

/// Where a partition ends as far as the client has heard with its last fetch; none before the first.
pub fn heard_end<C: ClientContext>(client: &Client<C>, topic: &str, partition: i32) -> Option<NextOffset> {
    let name = CString::new(topic).ok()?;
    let (mut first, mut end) = (0_i64, 0_i64);
    // SAFETY: the client is alive, the name ends in zero, the places are ours; nothing is asked of the broker.
    let result = unsafe {
        native::rd_kafka_get_watermark_offsets(
            client.native_ptr(),
            name.as_ptr(),
            partition,
            &raw mut first,
            &raw mut end,
        )
    };
    let known = result == native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && end >= 0;
    known.then_some(NextOffset(end))
}
