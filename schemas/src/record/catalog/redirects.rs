//! Where clicks go besides a campaign's destination: by who the visitor is, by chance that stays with a journey, within the
//! advertiser's site, and while nothing is counted.

use crate::time::Micros;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirects {
    /// The first that fits counts.
    pub rules: Vec<RedirectRule>,
    /// Where no rule fits.
    pub variants: Vec<Variant>,
    /// Where visitors go while nothing is counted.
    pub fallback: Option<String>,
    /// Hosts within which a link may lead elsewhere; `*.` before one stands for its subdomains.
    pub deep_link_hosts: Vec<String>,
    /// The first moment at which clicks count.
    pub starts_at: Option<Micros>,
    /// The first moment at which they no longer do.
    pub ends_at: Option<Micros>,
}

/// Where a visitor goes whom all that it names fits. It names something; what is empty fits everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectRule {
    /// As a click that it sent has it.
    pub name: String,
    /// ISO 3166-1 alpha-2, in upper case.
    pub countries: Vec<String>,
    pub devices: Vec<Device>,
    pub systems: Vec<System>,
    /// Primary subtags (BCP 47), in lower case.
    pub languages: Vec<String>,
    pub destination: String,
}

/// One of several destinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variant {
    /// As a click that it sent has it.
    pub name: String,
    /// Of the sum of all weights.
    pub weight: i32,
    /// None: the campaign's own.
    pub destination: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    Desktop,
    Mobile,
    Tablet,
    Other,
}

impl Device {
    pub const ALL: [Device; 4] = [Device::Desktop, Device::Mobile, Device::Tablet, Device::Other];

    pub fn name(self) -> &'static str {
        match self {
            Device::Desktop => "desktop",
            Device::Mobile => "mobile",
            Device::Tablet => "tablet",
            Device::Other => "other",
        }
    }
}

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum System {
    Android,
    Ios,
    Windows,
    Macos,
    Linux,
    Chromeos,
    Other,
}

impl System {
    pub const ALL: [System; 7] =
        [System::Android, System::Ios, System::Windows, System::Macos, System::Linux, System::Chromeos, System::Other];

    pub fn name(self) -> &'static str {
        match self {
            System::Android => "android",
            System::Ios => "ios",
            System::Windows => "windows",
            System::Macos => "macos",
            System::Linux => "linux",
            System::Chromeos => "chromeos",
            System::Other => "other",
        }
    }
}
