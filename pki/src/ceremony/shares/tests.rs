//! Shares: known answers of the field, properties of the division, and typing errors.

use proptest::prelude::*;

use super::*;

#[test]
fn the_field_gives_the_known_answers_of_aes() {
    // FIPS 197 section 4.2: {57}·{83} = {c1}, {57}·{13} = {fe}; 5.1.1: {53}^-1 = {ca}.
    assert_eq!(times(0x57, 0x83), 0xc1);
    assert_eq!(times(0x57, 0x13), 0xfe);
    assert_eq!(inverse(0x53), 0xca);
    for a in 1..=255_u8 {
        assert_eq!(times(a, inverse(a)), 1, "{a}");
        assert_eq!(times(a, 1), a);
    }
}

#[test]
fn a_known_polynomial_is_solved() {
    // 42 + 7x + 9x², worked out with the field's tables.
    let polynomial = [42, 7, 9];
    let share = |number| Share {
        number,
        needed: 3,
        of: 5,
        set: [0; 4],
        bytes: Zeroizing::new(vec![value(&polynomial, number)]),
    };
    assert_eq!(value(&polynomial, 1), 42 ^ 7 ^ 9);
    assert_eq!(value(&polynomial, 2), 42 ^ 14 ^ 36);
    let all: Vec<Share> = (1..=5).map(share).collect();
    for chosen in [[0, 1, 2], [4, 2, 0], [1, 3, 4]] {
        let some: Vec<&Share> = chosen.iter().map(|at| &all[*at]).collect();
        assert_eq!(constant(&some, 0), Some(42));
    }
    let two: Vec<&Share> = all.iter().take(2).collect();
    assert_ne!(constant(&two, 0), Some(42));
}

#[test]
fn words_say_bytes_and_only_one_way() {
    assert_eq!(words(&[127, 0, 0, 1]), "lusab babad");
    for high in 0..=255_u8 {
        for low in [0, 1, 0x5a, 0xff] {
            assert_eq!(pair(&words(&[high, low])), Some([high, low]));
        }
    }
    for bad in ["", "lusa", "lusabb", "lysab", "LUSAB", "lus b"] {
        assert_eq!(pair(bad), None, "{bad}");
    }
}

#[test]
fn every_wrong_letter_is_noticed() {
    let share = divide(&[7; 16], 2, 3).unwrap().remove(1);
    let text = share.to_string();
    assert_eq!(text.to_uppercase().replace('\n', "  ").parse(), Ok(share));
    for (at, letter) in text
        .char_indices()
        .filter(|(_, c)| c.is_ascii_alphanumeric())
    {
        let other = if letter == 'b' { 'd' } else { 'b' };
        let mut typed = text.clone();
        typed.replace_range(at..=at, &other.to_string());
        // `share` and `set` only guide the eye.
        let guiding = ["share", "set"].iter().any(|word| {
            let start = text.find(&format!(" {word} ")).unwrap() + 1;
            (start..start + word.len()).contains(&at)
        });
        assert!(typed.parse::<Share>().is_err() || guiding, "{typed}");
    }
    for bad in [
        "",
        "TRAM-SHARE-1",
        "TRAM-SHARE-1 2-of-3 share 1 set 00 babab",
        &"b".repeat(9999),
    ] {
        assert!(bad.parse::<Share>().is_err());
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let one = divide(b"the first secret", 2, 3).unwrap();
    let two = divide(b"another secret..", 2, 3).unwrap();
    let mixed = [one[0].clone(), two[1].clone()];
    assert_eq!(combine(&mixed), Err(ShareError::Different));
    let twice = [one[0].clone(), one[0].clone()];
    assert_eq!(
        combine(&twice),
        Err(ShareError::TooFew {
            given: 1,
            needed: 2
        })
    );
    assert_eq!(
        combine(&[]),
        Err(ShareError::TooFew {
            given: 0,
            needed: 2
        })
    );
    let mut made_up = one[1].clone();
    made_up.bytes[0] ^= 1;
    assert_eq!(
        combine(&[one[0].clone(), made_up]),
        Err(ShareError::Different)
    );
    assert!(divide(b"odd", 2, 3).is_err());
    for (needed, of) in [(0, 0), (1, 3), (4, 3), (2, 17)] {
        assert_eq!(
            divide(b"xy", needed, of),
            Err(ShareError::Numbers { needed, of })
        );
    }
}

proptest! {
    #[test]
    fn any_k_of_n_open_it_and_fewer_do_not(
        half in proptest::collection::vec(any::<[u8; 2]>(), 0..20),
        needed in 2_u8..6,
        more in 0_u8..4,
        order in any::<u64>(),
    ) {
        let secret = half.concat();
        let mut shares = divide(&secret, needed, needed + more).unwrap();
        let turn = usize::try_from(order % 5).unwrap() % shares.len();
        shares.rotate_left(turn);
        let enough = usize::from(needed);
        prop_assert_eq!(&*combine(&shares[..enough]).unwrap(), &secret);
        prop_assert_eq!(&*combine(&shares).unwrap(), &secret);
        prop_assert!(combine(&shares[..enough - 1]).is_err());
        for share in &shares {
            prop_assert_eq!(&share.to_string().parse::<Share>().unwrap(), share);
        }
    }

    #[test]
    fn typed_nonsense_never_panics(text in ".{0,200}") {
        let _refused = text.parse::<Share>();
        let _refused = format!("TRAM-SHARE-1 {text}").parse::<Share>();
    }
}
