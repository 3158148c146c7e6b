//! How numbers, lengths, images, shapes and values are written on the command line.

use memgraph::graph::{Dims, Value};

/// A length, and its first factor where it was given as a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) total: u64,
    pub(super) tiles: Option<u64>,
}

/// Parses a length as [`parse_length`] does, and keeps the number of tiles of `5*577`.
pub(super) fn parse_tiles(text: &str) -> Result<Length, String> {
    let total = parse_length(text)?;
    let tiles = text.split_once('*').and_then(|(tiles, _)| tiles.trim().parse().ok());
    Ok(Length { total, tiles })
}

/// Parses a length: a number, or a product such as `5*577`.
pub(super) fn parse_length(text: &str) -> Result<u64, String> {
    let factors = text.split('*').map(|factor| factor.trim().parse::<u64>());
    let product = factors.into_iter().try_fold(1_u64, |product, factor| {
        let factor = factor.map_err(|error| format!("{error}; give a number, or a product such as 5*577"))?;
        product.checked_mul(factor).ok_or_else(|| "the product does not fit 64 bits".to_owned())
    })?;
    if product == 0 { Err("the length must be at least 1".to_owned()) } else { Ok(product) }
}

/// Parses `WxH`.
pub(super) fn parse_image(text: &str) -> Result<(u64, u64), String> {
    let (width, height) = text.split_once(['x', 'X']).ok_or("give width and height, such as 1024x682")?;
    let number =
        |text: &str| text.parse::<u64>().ok().filter(|&side| side > 0).ok_or("sides are numbers of pixels");
    Ok((number(width)?, number(height)?))
}

/// Parses `NAME=N`.
pub(super) fn parse_bind(text: &str) -> Result<(String, u64), String> {
    let (name, size) = split(text)?;
    Ok((name, size.parse().map_err(|error| format!("{error}; give a number of at least 0"))?))
}

/// Parses `NAME=1x3x224x224`.
pub(super) fn parse_input(text: &str) -> Result<(String, Dims), String> {
    let (name, dims) = split(text)?;
    if dims.is_empty() {
        return Ok((name, Dims::new()));
    }
    let dims = dims.split(['x', 'X', ',']).map(str::parse).collect::<Result<Dims, _>>();
    Ok((name, dims.map_err(|error| format!("{error}; give a shape such as 1x3x224x224"))?))
}

/// Parses `NAME=1,2,3`.
pub(super) fn parse_value(text: &str) -> Result<(String, Value), String> {
    let (name, numbers) = split(text)?;
    if numbers.is_empty() {
        return Ok((name, Value::ints([])));
    }
    let numbers: Vec<&str> = numbers.split(',').map(str::trim).collect();
    if let Ok(ints) = numbers.iter().map(|number| number.parse::<i64>()).collect::<Result<Vec<_>, _>>() {
        return Ok((name, Value::ints(ints)));
    }
    let floats = numbers.iter().map(|number| number.parse::<f64>()).collect::<Result<Vec<_>, _>>();
    Ok((name, Value::floats(floats.map_err(|error| format!("{error}; give numbers such as 1,2,3"))?)))
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
        assert_eq!(parse_length("5*577"), Ok(2885));
        assert_eq!(parse_tiles("5*577"), Ok(Length { total: 2885, tiles: Some(5) }));
        assert_eq!(parse_tiles("2885"), Ok(Length { total: 2885, tiles: None }));
        for bad in ["", "0", "5*", "-1", "1e3", "9999999999*9999999999"] {
            assert!(parse_length(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_may_hold_equals_signs() {
        assert_eq!(parse_bind("a=b=3"), Ok(("a=b".to_owned(), 3)));
        assert_eq!(parse_input("x="), Ok(("x".to_owned(), Dims::new())));
        assert!(parse_input("x=1xx2").is_err());
    }
}
