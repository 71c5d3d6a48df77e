//! The ids that Kafka gave its topics (KIP-516): librdkafka knows them, the Rust crate does not pass them on.

#![allow(unsafe_code)] // `rd_kafka_DescribeTopics` is not in the rdkafka crate

use rdkafka::bindings as native;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::time::Duration;

/// The ids of `topics`, as Kafka's tools show them (22 characters of base64). A topic that does not exist has none.
pub(super) fn topic_ids<C: ClientContext>(
    client: &Client<C>,
    topics: &[String],
    timeout: Duration,
) -> Result<HashMap<String, String>, KafkaError> {
    let names: Vec<CString> = topics.iter().filter_map(|name| CString::new(name.as_str()).ok()).collect();
    let mut pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let client = client.native_ptr();
    // SAFETY: the client lives as long as its borrow; every object made here is destroyed here, after its last use;
    // `read` copies the strings before the event that owns them is destroyed.
    unsafe {
        let queue = native::rd_kafka_queue_new(client);
        let collection = native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = native::rd_kafka_AdminOptions_new(client, operation);
        native::rd_kafka_AdminOptions_set_request_timeout(options, millis, std::ptr::null_mut(), 0);
        native::rd_kafka_DescribeTopics(client, collection, options, queue);
        let event = native::rd_kafka_queue_poll(queue, millis);
        let found = if event.is_null() {
            Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut))
        } else {
            let found = read(event);
            native::rd_kafka_event_destroy(event);
            found
        };
        native::rd_kafka_AdminOptions_destroy(options);
        native::rd_kafka_TopicCollection_destroy(collection);
        native::rd_kafka_queue_destroy(queue);
        found
    }
}

/// # Safety
/// `event` must be the answer to `rd_kafka_DescribeTopics`.
unsafe fn read(event: *mut native::rd_kafka_event_t) -> Result<HashMap<String, String>, KafkaError> {
    // SAFETY: the caller's event owns all that is read here.
    unsafe {
        let error = RDKafkaErrorCode::from(native::rd_kafka_event_error(event));
        if error != RDKafkaErrorCode::NoError {
            return Err(KafkaError::AdminOp(error));
        }
        let result = native::rd_kafka_event_DescribeTopics_result(event);
        let mut count = 0;
        let descriptions = native::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let mut ids = HashMap::with_capacity(count);
        for index in 0..count {
            let description = *descriptions.add(index);
            let error = native::rd_kafka_error_code(native::rd_kafka_TopicDescription_error(description));
            match RDKafkaErrorCode::from(error) {
                RDKafkaErrorCode::NoError => {}
                RDKafkaErrorCode::UnknownTopicOrPartition => continue,
                error => return Err(KafkaError::AdminOp(error)),
            }
            let text = |pointer| CStr::from_ptr(pointer).to_string_lossy().into_owned();
            let id = native::rd_kafka_Uuid_base64str(native::rd_kafka_TopicDescription_topic_id(description));
            ids.insert(text(native::rd_kafka_TopicDescription_name(description)), text(id));
        }
        Ok(ids)
    }
}
