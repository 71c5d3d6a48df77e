//! Every limit of the wire contract in one place, each with its reason.

/// Clicks and events later than this, by their own times, are decided `too_late` (design, P3).
pub const LATENESS_MICROS: i64 = 60 * 24 * 3600 * 1_000_000;

/// The longest look-back that a campaign may have; also how long a journey's cookie lives.
pub const LONGEST_LOOK_BACK_MICROS: i64 = 90 * 24 * 3600 * 1_000_000;

/// A click this much later than an event still counts for its own token: two machines' clocks (design, Event ids).
pub const CLOCK_SKEW_MICROS: i64 = 10 * 60 * 1_000_000;

/// Touches kept per journey and advertiser from each end, so that one robot's journey cannot grow a record without limit.
pub const TOUCHES_EACH_END: usize = 127;

/// Distinct events and conflicting repeats kept per conversion: the earliest ones, so that what earns stays, and a shop
/// that reports one order for ever cannot grow a record without limit.
pub const DELIVERIES_PER_CONVERSION: usize = 64;

/// Commands kept per conversion, the last ones: only the last of all counts.
pub const COMMANDS_PER_CONVERSION: usize = 16;

/// Amendments kept per conversion, the last ones: somebody adjusts a past month now and then.
pub const AMENDMENTS_PER_CONVERSION: usize = 8;

/// Bytes of one mark's value on a click: a program's name, the name of a network.
pub const MARK_VALUE_BYTES: usize = 24;

/// Ties to journeys kept per customer and advertiser from each end, by the events that make them: people change browsers,
/// and a visitor without cookies has a journey for each click.
pub const JOURNEYS_PER_CUSTOMER: usize = 16;

/// Events of one customer and advertiser that one earlier event has sent again, the earliest of those that it concerns:
/// a shop that calls everybody the same customer must not make one event the work of all.
pub const EVENTS_PER_CUSTOMER: usize = 256;

/// Refunds, chargebacks and status events kept per conversion, the earliest ones: ten years of a subscription, month by
/// month, with as many refunds again.
pub const ADJUSTMENTS_PER_CONVERSION: usize = 256;

/// Orders that one event id may belong to: a shop that reuses its event ids has no right to more.
pub const ORDERS_PER_EVENT_ID: usize = 16;

/// Line items of an event: more than nearly every order has, and a conversion keeps all of its events.
pub const ITEMS_PER_EVENT: usize = 200;

/// Pieces of a line item.
pub const ITEM_QUANTITY: i32 = 1_000_000;

/// Journeys kept per conversion, the oldest ones: their touches must fit one decision record of less than a megabyte.
pub const JOURNEYS_PER_CONVERSION: usize = 16;

/// Bytes of an evidence value kept for the explanation; a URL may be longer than anyone reads.
pub const EVIDENCE_VALUE_BYTES: usize = 256;

/// Bytes of an id that an advertiser chooses (event id, order id): twice the longest seen in network specifications.
pub const FOREIGN_ID_BYTES: usize = 128;

/// Bytes of `landing_url` and `referrer`: what common servers accept as a request line.
pub const URL_BYTES: usize = 4096;

/// Bytes of an event's `properties` as JSON.
pub const PROPERTIES_BYTES: usize = 8192;

/// Rows of one batch of events.
pub const BATCH_ROWS: usize = 1000;

/// Bytes of a request's body: a full batch of events of a kilobyte each.
pub const BODY_BYTES: usize = 1 << 20;

/// Bytes of the largest record that the processor writes: a conversion's state with all its deliveries, journeys and its
/// decision. Producers and topics allow as much.
pub const RECORD_BYTES: usize = 8 << 20;

/// Bytes of a key and a value that a dead letter keeps: a letter must fit where its record did.
pub const DEAD_LETTER_KEY_BYTES: usize = 4096;
pub const DEAD_LETTER_VALUE_BYTES: usize = 900_000;

/// Events of one journey and advertiser that a late click has sent again, the least by key: one click's work is bounded.
pub const EVENTS_PER_JOURNEY: usize = 256;

/// Whole units of an amount: with 6 decimals and 12 decimals of credit the product still fits 128 bits.
pub const AMOUNT_UNITS: i128 = 1_000_000_000_000_000;
