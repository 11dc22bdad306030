//! What names, addresses and operators may be.

use std::net::Ipv6Addr;

use super::fault;
use crate::Error;

/// Checks a name: 1 to 64 of a-z, 0-9, '.', '_' and '-'.
///
/// # Errors
/// [`Error::Manifest`] naming the field.
pub fn check_name(field: &str, name: &str) -> Result<(), Error> {
    name_fits(name).map_err(|problem| fault(Some(field), problem))
}

/// [`check_name`] of what is not yet in a manifest; the problem.
pub(crate) fn name_fits(name: &str) -> Result<(), String> {
    let fits = !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    fits.then_some(()).ok_or_else(|| format!("{name:?}; use 1 to 64 of a-z, 0-9, '.', '_' and '-'"))
}

/// Checks that an address is `host:port`, an IPv6 host in brackets; the problem.
pub(crate) fn address_fits(address: &str) -> Result<(), String> {
    let host = |host: &str| match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok()),
        None => {
            !host.is_empty()
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
    };
    // No sign, which a number may have to be parsed.
    let port = |port: &str| {
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    let fits = address.rsplit_once(':').is_some_and(|(before, after)| host(before) && port(after));
    fits.then_some(()).ok_or_else(|| {
        format!(
            "{address:?}; give host:port, an IPv6 host in brackets, without scheme or path; the \
             port is 1 to 65535"
        )
    })
}

/// Checks that an operator has a name, of one line: people read it before they sign; the problem.
pub(crate) fn operator_fits(operator: &str) -> Result<(), String> {
    let fits = !operator.trim().is_empty() && !operator.contains(char::is_control);
    fits.then_some(())
        .ok_or_else(|| format!("{operator:?}; give the organisation's name, one line"))
}
