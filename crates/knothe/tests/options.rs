//! Options of families: texts, ranges, equality and files.

use knothe::{
    Preprocessing,
    families::{ALL, Glow, Maf, Mixing, NafDdsf, Range, Recipe, Setting, Sos},
    space::{ImageShape, Law, Shape, Space},
};
use proptest::prelude::*;

const NAMES: &[&str] = &["gaussian_mixture", "lu", "none"];

/// A range, and a value that it holds.
fn held() -> impl Strategy<Value = (Range, Setting)> {
    prop_oneof![
        any::<bool>().prop_map(|flag| (Range::Flag, flag.into())),
        (0u64..=9, 0u64..=9).prop_map(|(least, more)| (Range::Count(least, least + 9), Setting::Count(least + more))),
        (-1e300..1e300).prop_map(|x: f64| (Range::Number(f64::NEG_INFINITY, f64::INFINITY), x.into())),
        prop::collection::vec(1usize..=512, 0..5).prop_map(|widths| (Range::Counts(5, 1, 512), widths.into())),
        (0..NAMES.len()).prop_map(|k| (Range::Name(NAMES), NAMES[k].into())),
    ]
}

proptest! {
    #[test]
    fn a_value_comes_back_from_its_text_and_from_json((range, value) in held()) {
        prop_assert!(range.holds(&value));
        prop_assert_eq!(&range.parse("option", &value.to_string()).unwrap(), &value);
        prop_assert_eq!(&range.parse("option", &format!(" {} ", value.to_string().replace('_', "-"))).unwrap_or_else(|_| value.clone()), &value);
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(serde_json::from_str::<Setting>(&json).unwrap(), value);
    }

    #[test]
    fn any_text_is_a_value_of_the_range_or_an_error_that_says_what_is_one(text in ".{0,12}", (range, _) in held()) {
        match range.parse("option", &text) {
            Ok(value) => prop_assert!(range.holds(&value)),
            Err(error) => {
                let message = error.to_string();
                prop_assert!(message.contains("option") && message.contains(&range.to_string()), "{}", message);
            }
        }
    }
}

#[test]
fn values_outside_a_range_are_refused() {
    let cases = [
        (Range::Flag, "yes"),
        (Range::Count(2, 5), "1"),
        (Range::Count(2, 5), "6"),
        (Range::Count(2, 5), "-3"),
        (Range::Count(2, 5), "3.0"),
        (Range::Number(0.0, f64::INFINITY), "0"),
        (Range::Number(0.0, f64::INFINITY), "inf"),
        (Range::Number(0.0, f64::INFINITY), "nan"),
        (Range::Counts(2, 1, 9), "1,2,3"),
        (Range::Counts(2, 1, 9), "0"),
        (Range::Counts(2, 1, 9), "1,,2"),
        (Range::Name(NAMES), "mixture"),
    ];
    for (range, text) in cases {
        assert!(range.parse("option", text).is_err(), "{range} holds {text}");
    }
}

#[test]
fn recipes_are_equal_by_what_they_build() {
    let fresh = Maf::new(3);
    assert_eq!(fresh, Maf::new(3).layers(5).mixing(Mixing::Reversed).residual(false).hidden([128, 128]));
    for other in [Maf::new(2), Maf::new(3).context(1), Maf::new(3).seed(1), Maf::new(3).layers(4), NafDdsf::new(3)] {
        assert_ne!(fresh, other);
    }
    // The widths of a residual network are others.
    assert_ne!(Maf::new(3).residual(true), Maf::new(3).residual(true).hidden([128, 128]));
    assert_eq!(Maf::new(3).residual(true), Maf::new(3).residual(true).hidden([128; 3]));
}

#[test]
fn a_file_has_every_option_and_gives_back_the_recipe() {
    let image = Space::new(Shape::Grid(ImageShape { channels: 1, height: 8, width: 8 }), Law::Codes(16));
    for recipe in [
        Maf::new(3).context(2).seed(9).layers(2).hidden([16]).mixing(Mixing::Rotation).batch_norm(true),
        Sos::new(2).bound(2.5).degree(3).marginals(64),
        Glow::new(image).context(10).preprocessing(Preprocessing::Logit { alpha: 0.01 }),
    ] {
        let document = serde_json::to_value(&recipe).unwrap();
        let options = document["options"].as_object().unwrap();
        assert!(recipe.family().options().iter().all(|option| options.contains_key(option.name)));
        assert_eq!(serde_json::from_value::<Recipe>(document).unwrap(), recipe);
    }
    let mut document = serde_json::to_value(Maf::new(3)).unwrap();
    document["options"]["degree"] = 3.into();
    let error = serde_json::from_value::<Recipe>(document.clone()).unwrap_err().to_string();
    assert!(error.contains("options of maf") && error.contains("degree"), "{error}");
    document["family"] = "no_such_family".into();
    let error = serde_json::from_value::<Recipe>(document).unwrap_err().to_string();
    assert!(error.contains("no_such_family") && error.contains("maf_mog"), "{error}");
}

#[test]
fn defaults_are_in_their_ranges_and_options_have_one_name_each() {
    let spaces = [Space::from(1), Space::from(500), Space::from(ImageShape { channels: 3, height: 32, width: 32 })];
    for family in ALL {
        let mut names: Vec<&str> = family.options().iter().map(|option| option.name).collect();
        for recipe in spaces.iter().map(|space| Recipe::new(*family, space.clone())) {
            for option in family.options() {
                assert!(option.range.holds(&recipe.get(&option)), "{family:?} {}", option.name);
            }
        }
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{family:?}: {names:?}");
    }
}
