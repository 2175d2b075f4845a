//! How far one word is from another, for whoever mistyped one.

/// How many letters must be put in, taken out or changed to make one word the other.
pub fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (number, letter) in from.chars().enumerate() {
        let mut left = number + 1;
        let mut next = vec![left];
        for (other, above) in to.chars().zip(row.windows(2)) {
            let &[diagonal, above] = above else { break };
            left = (diagonal + usize::from(letter != other)).min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn the_distance_counts_letters_put_in_taken_out_and_changed() {
        for (from, to, expected) in [
            ("plan", "plan", 0),
            ("plann", "plan", 1),
            ("pla", "plan", 1),
            ("plin", "plan", 1),
            ("paln", "plan", 2),
            ("", "pin", 3),
            ("pin", "", 3),
            ("größe", "grösse", 2),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }
}
