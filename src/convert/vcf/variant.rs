//! One line of a variant file, as far as it is needed.

/// Alternates of a line.
const MOST_ALTERNATES: usize = 1000;

pub(super) struct Variant<'a> {
    pub(super) chromosome: &'a str,
    /// From 0.
    pub(super) start: u64,
    /// The first base behind it.
    pub(super) end: u64,
    pub(super) alternates: Vec<&'a str>,
    pub(super) filter: &'a str,
    pub(super) info: &'a str,
    format: &'a str,
    sample: &'a str,
}

impl<'a> Variant<'a> {
    /// Reads a line of so many columns, with the sample at a place among the samples.
    pub(super) fn parse(line: &'a str, columns: usize, place: usize) -> Result<Self, String> {
        let fields: Vec<&str> = line.split('\t').take(columns.saturating_add(1)).collect();
        if fields.len() > columns {
            return Err(format!("has more columns than the header, which has {columns}"));
        }
        if fields.len() != columns {
            return Err(format!(
                "has {} columns and the header {columns}; copy the file again if it is cut short",
                fields.len()
            ));
        }
        let &[
            chromosome,
            position,
            _,
            reference,
            alternates,
            _,
            filter,
            info,
            format,
            ref samples @ ..,
        ] = fields.as_slice()
        else {
            return Err("has no sample".into());
        };
        let sample = *samples.get(place).ok_or("has not all samples")?;
        let position: u64 = position.parse().map_err(|_| "POS is no whole number")?;
        let start = position.saturating_sub(1);
        let mut end = start.saturating_add(reference.len() as u64);
        let alternates: Vec<&str> = match alternates {
            "." => Vec::new(),
            list => list.split(',').take(MOST_ALTERNATES + 1).collect(),
        };
        if alternates.len() > MOST_ALTERNATES {
            return Err(format!("more than {MOST_ALTERNATES} alternates"));
        }
        // A long variant says where it ends.
        if alternates.iter().any(|own| own.starts_with('<')) {
            let stated = entry(info, "END").and_then(|own| own.parse().ok());
            end = stated.map_or(end, |stated: u64| stated.max(end));
        }
        Ok(Self { chromosome, start, end, alternates, filter, info, format, sample })
    }

    /// Whether an alternate is a variant, and not the place holder of a reference block or of a
    /// deletion upstream.
    pub(super) fn is_variant(alternate: &str) -> bool {
        !matches!(alternate, "." | "*" | "<*>" | "<NON_REF>")
    }

    /// A value of the sample; `None` where it is missing.
    fn value(&self, key: &str) -> Option<&'a str> {
        let place = self.format.split(':').position(|own| own == key)?;
        self.sample.split(':').nth(place).filter(|own| !own.is_empty() && *own != ".")
    }

    /// Copies of each alternate; `None` where the place is not called.
    pub(super) fn copies(&self) -> Result<Option<Vec<u32>>, String> {
        if !self.format.split(':').any(|own| own == "GT") {
            return Err("the sample has no GT; call genotypes first".into());
        }
        let Some(genotype) = self.value("GT") else { return Ok(None) };
        let mut copies = vec![0u32; self.alternates.len()];
        let mut called = true;
        // VCF 4.4 may say the first allele's phase.
        for allele in genotype.trim_start_matches(['/', '|']).split(['/', '|']) {
            if allele == "." {
                called = false;
                continue;
            }
            let number: usize =
                allele.parse().map_err(|_| "GT is no genotype such as 0/1".to_owned())?;
            let Some(alternate) = number.checked_sub(1) else { continue };
            let own = copies.get_mut(alternate).ok_or("GT has an allele that ALT has not")?;
            *own = own.saturating_add(1);
        }
        Ok((called || copies.iter().any(|own| *own > 0)).then_some(copies))
    }

    /// Reads of each allele, the reference first.
    fn reads(&self) -> Result<Option<Vec<u64>>, String> {
        let Some(text) = self.value("AD") else { return Ok(None) };
        // One more than there may be, so that more are seen.
        let most = self.alternates.len() + 2;
        let reads: Option<Vec<u64>> =
            text.split(',').take(most).map(|own| own.parse().ok()).collect();
        match reads {
            Some(reads) if reads.len() == self.alternates.len() + 1 => Ok(Some(reads)),
            None if text.split(',').any(|own| own == ".") => Ok(None),
            _ => Err("AD does not have the reads of each allele".into()),
        }
    }

    /// Reads at the place.
    pub(super) fn depth(&self) -> Result<Option<u64>, String> {
        match self.value("DP") {
            Some(depth) => depth.parse().map(Some).map_err(|_| "DP is no whole number".to_owned()),
            None => {
                Ok(self.reads()?.map(|own| own.iter().fold(0, |sum, x| sum + (*x).min(1 << 40))))
            }
        }
    }

    /// Shares of reads, by AD, or as AF states them.
    pub(super) fn shares(&self) -> Result<Shares<'a>, String> {
        if let Some(reads) = self.reads()? {
            return Ok(Shares::Counted(reads));
        }
        let stated = self.value("AF").into_iter().flat_map(|text| text.split(','));
        Ok(Shares::Stated(stated.take(self.alternates.len()).collect()))
    }
}

/// Shares of reads with each alternate.
pub(super) enum Shares<'a> {
    /// Reads of each allele, the reference first.
    Counted(Vec<u64>),
    /// Shares of the alternates as texts.
    Stated(Vec<&'a str>),
}

impl Shares<'_> {
    /// That of an alternate; `None` where nothing is said of it.
    pub(super) fn of(&self, alternate: usize) -> Result<Option<f64>, String> {
        match self {
            Self::Counted(reads) => {
                let all: f64 = reads.iter().map(|own| *own as f64).sum();
                let own = reads.get(alternate + 1).map(|own| *own as f64);
                Ok(own.filter(|_| all > 0.0).map(|own| own / all))
            }
            Self::Stated(texts) => {
                let Some(own) = texts.get(alternate) else { return Ok(None) };
                match own.parse::<f64>() {
                    Ok(share) if (0.0..=1.0).contains(&share) => Ok(Some(share)),
                    _ => Err("AF is no share of reads".into()),
                }
            }
        }
    }
}

/// The value of a key of INFO.
pub(super) fn entry<'a>(info: &'a str, key: &str) -> Option<&'a str> {
    info.split(';').find_map(|own| own.strip_prefix(key)?.strip_prefix('='))
}
