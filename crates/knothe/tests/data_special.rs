//! Special values that a schema infers or declares.

use knothe::events::table::Roles;

use crate::data_schema::{infer, table, uniform};

/// A model is written only if it can be read again.
#[test]
fn there_are_at_most_eight_special_values_among_the_others() {
    let n = 4_000;
    let round = [3.0, 50.0, 97.0, 150.0, 210.0, 260.0, 330.0, 400.0, 470.0, 520.0];
    let values: Vec<f64> =
        uniform(n, 3).iter().enumerate().map(|(i, u)| if i % 3 > 0 { round[i % 10] } else { (u * 1000.0).floor() }).collect();
    let t = table(&[("a", &values, true)]);
    let (schema, _) = infer(&t, "{}", &Roles::default()).unwrap();
    assert_eq!(schema.columns[0].special.len(), 8);
    schema.check().unwrap();
    let nine = format!(r#"{{"a": {{"kind": "integer", "special": {:?}}}}}"#, &round[..9]);
    let error = infer(&t, &nine, &Roles::default()).unwrap_err().to_string();
    assert!(error.contains("expected at most 8 special values among the ordinary ones, found 9"), "{error}");

    // A schema inside a model file passes the same checks.
    for special in [vec![0.0, 0.0], vec![1e40], vec![f64::NAN], (0..65).map(f64::from).collect()] {
        let mut other = schema.clone();
        other.columns[0].special = special.clone();
        let error = other.check().unwrap_err().to_string();
        assert!(error.contains("expected at most 64 different special values between -1e30 and 1e30"), "{special:?}: {error}");
    }
}
