//! The parts of a Phenopacket that are read, under the names of phenopacket-schema 2.0. Both spellings
//! that protobuf allows are read: `phenotypicFeatures` and `phenotypic_features`.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::convert::json::{Figure, List};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Packet {
    pub(super) id: Option<String>,
    pub(super) subject: Option<Individual>,
    #[serde(alias = "phenotypic_features")]
    pub(super) phenotypic_features: List<Feature>,
    pub(super) measurements: List<Measurement>,
    pub(super) interpretations: List<Interpretation>,
    pub(super) diseases: List<Disease>,
    #[serde(alias = "medical_actions")]
    pub(super) medical_actions: List<Action>,
    #[serde(alias = "meta_data")]
    pub(super) meta_data: Option<MetaData>,
    /// Of a Family.
    pub(super) proband: Option<IgnoredAny>,
    /// Of a Cohort.
    pub(super) members: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct MetaData {
    #[serde(alias = "phenopacket_schema_version")]
    pub(super) phenopacket_schema_version: Option<String>,
    #[serde(alias = "external_references")]
    pub(super) external_references: List<Reference>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Individual {
    pub(super) id: Option<String>,
    #[serde(alias = "date_of_birth")]
    pub(super) date_of_birth: Option<String>,
    #[serde(alias = "time_at_last_encounter")]
    pub(super) time_at_last_encounter: Option<Time>,
    #[serde(alias = "vital_status")]
    pub(super) vital_status: Option<VitalStatus>,
    pub(super) sex: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VitalStatus {
    pub(super) status: Option<String>,
    #[serde(alias = "time_of_death")]
    pub(super) time_of_death: Option<Time>,
    #[serde(alias = "survival_time_in_days")]
    pub(super) survival_time_in_days: Option<Figure>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Class {
    pub(super) id: Option<String>,
    pub(super) label: Option<String>,
}

/// A TimeElement. A gestational age is no age after birth, and not read.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Time {
    pub(super) age: Option<Age>,
    #[serde(alias = "age_range")]
    pub(super) age_range: Option<AgeRange>,
    #[serde(alias = "ontology_class")]
    pub(super) ontology_class: Option<Class>,
    pub(super) timestamp: Option<String>,
    pub(super) interval: Option<Interval>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Age {
    pub(super) iso8601duration: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AgeRange {
    pub(super) start: Option<Age>,
    pub(super) end: Option<Age>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Interval {
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Feature {
    #[serde(rename = "type")]
    pub(super) class: Option<Class>,
    pub(super) excluded: Option<bool>,
    pub(super) onset: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Disease {
    pub(super) term: Option<Class>,
    pub(super) excluded: Option<bool>,
    pub(super) onset: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Measurement {
    pub(super) assay: Option<Class>,
    pub(super) value: Option<Value>,
    #[serde(alias = "complex_value")]
    pub(super) complex_value: Option<ComplexValue>,
    #[serde(alias = "time_observed")]
    pub(super) time_observed: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Value {
    pub(super) quantity: Option<Quantity>,
    #[serde(alias = "ontology_class")]
    pub(super) ontology_class: Option<Class>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ComplexValue {
    #[serde(alias = "typed_quantities")]
    pub(super) typed_quantities: List<TypedQuantity>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct TypedQuantity {
    #[serde(rename = "type")]
    pub(super) class: Option<Class>,
    pub(super) quantity: Option<Quantity>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Quantity {
    pub(super) unit: Option<Class>,
    pub(super) value: Option<Figure>,
    #[serde(alias = "reference_range")]
    pub(super) reference_range: Option<ReferenceRange>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ReferenceRange {
    pub(super) unit: Option<Class>,
    pub(super) low: Option<Figure>,
    pub(super) high: Option<Figure>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Interpretation {
    pub(super) diagnosis: Option<Diagnosis>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Diagnosis {
    #[serde(alias = "genomic_interpretations")]
    pub(super) genomic_interpretations: List<GenomicInterpretation>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct GenomicInterpretation {
    #[serde(alias = "interpretation_status")]
    pub(super) interpretation_status: Option<String>,
    pub(super) gene: Option<Gene>,
    #[serde(alias = "variant_interpretation")]
    pub(super) variant_interpretation: Option<VariantInterpretation>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Gene {
    pub(super) symbol: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VariantInterpretation {
    #[serde(alias = "acmg_pathogenicity_classification")]
    pub(super) acmg_pathogenicity_classification: Option<String>,
    #[serde(alias = "variation_descriptor")]
    pub(super) variation_descriptor: Option<VariationDescriptor>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct VariationDescriptor {
    #[serde(alias = "gene_context")]
    pub(super) gene_context: Option<Gene>,
    #[serde(alias = "allelic_state")]
    pub(super) allelic_state: Option<Class>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Action {
    pub(super) procedure: Option<Procedure>,
    pub(super) treatment: Option<Treatment>,
    #[serde(alias = "radiation_therapy")]
    pub(super) radiation_therapy: Option<RadiationTherapy>,
    #[serde(alias = "therapeutic_regimen")]
    pub(super) therapeutic_regimen: Option<Regimen>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Procedure {
    pub(super) code: Option<Class>,
    pub(super) performed: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Treatment {
    pub(super) agent: Option<Class>,
    #[serde(alias = "dose_intervals")]
    pub(super) dose_intervals: List<DoseInterval>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct DoseInterval {
    pub(super) interval: Option<Interval>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RadiationTherapy {
    pub(super) modality: Option<Class>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Regimen {
    #[serde(alias = "ontology_class")]
    pub(super) ontology_class: Option<Class>,
    #[serde(alias = "external_reference")]
    pub(super) external_reference: Option<Reference>,
    #[serde(alias = "start_time")]
    pub(super) start_time: Option<Time>,
}
