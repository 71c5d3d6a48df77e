//! Why a record and its schema do not fit each other.

use std::fmt;

#[derive(Debug)]
pub struct Misfit(pub String);

impl fmt::Display for Misfit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Misfit {}

impl serde::ser::Error for Misfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Misfit(text.to_string())
    }
}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Misfit(text.to_string())
    }
}
