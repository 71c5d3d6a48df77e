//! Newer changes in front of an older store, read as one.

use crate::state::{StoreError, Visit};

/// A key and its change; None deletes.
pub type Entry<'e> = (&'e [u8], Option<&'e [u8]>);

/// Visits what `below` visits, with the changes of `newer` in place of what they replace. Both are in the order of their
/// keys.
pub fn merged<'e>(
    newer: impl Iterator<Item = Entry<'e>>,
    below: impl FnOnce(&mut Visit<'_>) -> Result<(), StoreError>,
    visit: &mut Visit<'_>,
) -> Result<(), StoreError> {
    let mut newer = newer.peekable();
    let mut more = true;
    below(&mut |key, value| {
        while let Some((new_key, change)) = newer.next_if(|(new_key, _)| *new_key < key) {
            more = change.is_none_or(|value| visit(new_key, value));
            if !more {
                return false;
            }
        }
        more = match newer.next_if(|(new_key, _)| *new_key == key) {
            Some((_, change)) => change.is_none_or(|value| visit(key, value)),
            None => visit(key, value),
        };
        more
    })?;
    for (key, change) in newer {
        if !more {
            break;
        }
        more = change.is_none_or(|value| visit(key, value));
    }
    Ok(())
}
