//! How numbers, lengths, images, shapes and values are written: on the command line and in files of settings.
//!
//! Each function returns what is wrong in words that follow the name of an option or a key.

use crate::graph::{Dims, Value};
use crate::units::Bytes;

/// A length, and its first factor where it was given as a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// The product.
    pub total: u64,
    /// The first factor.
    pub tiles: Option<u64>,
}

/// Parses a length as [`parse_length`] does, and keeps the number of tiles of `5*577`.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_tiles(text: &str) -> Result<Length, String> {
    let total = parse_length(text)?;
    let tiles = text.split_once('*').and_then(|(tiles, _)| parse_number(tiles).ok());
    Ok(Length { total, tiles })
}

/// Parses a length: a number, or a product such as `5*577`.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_length(text: &str) -> Result<u64, String> {
    let product = text.split('*').try_fold(1_u64, |product, factor| {
        product
            .checked_mul(parse_number(factor)?)
            .ok_or_else(|| "the product does not fit 64 bits".to_owned())
    })?;
    if product == 0 { Err("the length must be at least 1".to_owned()) } else { Ok(product) }
}

/// Parses a number: `1813`, `1_024`, or `4k` of 4 x 1024.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_number(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let fault = || format!("\"{text}\" is not a number; write it as 1813, 1_024 or 4k (4096)");
    let (digits, scale) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1024),
        None => (text, 1),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) || digits.ends_with('_') {
        return Err(fault());
    }
    let number: Option<u64> = digits.replace('_', "").parse().ok();
    number.and_then(|number| number.checked_mul(scale)).ok_or_else(fault)
}

/// Parses a number of at least 1.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let number = parse_number(text)?;
    if number == 0 { Err("give a number of at least 1".to_owned()) } else { Ok(number) }
}

/// Parses a size: bytes, or a number with a unit.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let fault = || format!("\"{text}\" is not a size; write it as 16GiB, 1.5GB, 512MiB or a number of bytes");
    Bytes::parse(text).map(|bytes| bytes.0).ok_or_else(fault)
}

/// Parses `WxH`.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_image(text: &str) -> Result<(u64, u64), String> {
    let (width, height) = text.split_once(['x', 'X']).ok_or("give width and height, such as 1024x682")?;
    Ok((parse_count(width)?, parse_count(height)?))
}

/// Parses `NAME=N`.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_bind(text: &str) -> Result<(String, u64), String> {
    let (name, size) = split(text)?;
    Ok((name, parse_number(size)?))
}

/// Parses `NAME=1x3x224x224`.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_input(text: &str) -> Result<(String, Dims), String> {
    let (name, dims) = split(text)?;
    if dims.is_empty() {
        return Ok((name, Dims::new()));
    }
    let dims = dims.split(['x', 'X', ',']).map(parse_number).collect::<Result<Dims, _>>();
    Ok((name, dims.map_err(|_| format!("\"{text}\" is not a shape; write it as NAME=1x3x224x224"))?))
}

/// Parses `NAME=1,2,3`.
///
/// # Errors
///
/// If the text has another form.
pub fn parse_value(text: &str) -> Result<(String, Value), String> {
    let (name, numbers) = split(text)?;
    if numbers.is_empty() {
        return Ok((name, Value::ints([])));
    }
    let numbers: Vec<&str> = numbers.split(',').map(str::trim).collect();
    if let Ok(ints) = numbers.iter().map(|number| number.parse::<i64>()).collect::<Result<Vec<_>, _>>() {
        return Ok((name, Value::ints(ints)));
    }
    let floats: Option<Vec<f64>> = numbers.iter().map(|number| number.parse().ok()).collect();
    let fault = || format!("\"{text}\" has something that is not a number; write it as NAME=1,2,3");
    Ok((name, Value::floats(floats.ok_or_else(fault)?)))
}

fn split(text: &str) -> Result<(String, &str), String> {
    let (name, rest) = text.rsplit_once('=').ok_or("give NAME=…")?;
    if name.is_empty() { Err("the name is empty".to_owned()) } else { Ok((name.to_owned(), rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_numbers_or_products() {
        assert_eq!(parse_length("7252"), Ok(7252));
        assert_eq!(
            (parse_length("1k"), parse_length("4K"), parse_length("1_024")),
            (Ok(1024), Ok(4096), Ok(1024))
        );
        assert_eq!(parse_length("5*577"), Ok(2885));
        assert_eq!(parse_tiles("5*577"), Ok(Length { total: 2885, tiles: Some(5) }));
        assert_eq!(parse_tiles("2885"), Ok(Length { total: 2885, tiles: None }));
        for bad in ["", "0", "5*", "-1", "+1", "_1", "1_", "k", "9999999999*9999999999", "99999999999999999k"]
        {
            assert!(parse_length(bad).is_err(), "{bad}");
        }
        assert!(parse_length("1e3").unwrap_err().starts_with("\"1e3\" is not a number"));
        assert!(parse_bind("seq=abc").unwrap_err().starts_with("\"abc\" is not a number"));
    }

    #[test]
    fn names_may_hold_equals_signs() {
        assert_eq!(parse_bind("a=b=3"), Ok(("a=b".to_owned(), 3)));
        assert_eq!(parse_input("x="), Ok(("x".to_owned(), Dims::new())));
        assert!(parse_input("x=1xx2").is_err());
    }
}
