//! The pages of a column, unpacked within bounds.
//!
//! The crate's own reader allocates what a page says that it unpacks to, and its gzip has no bound at
//! all. So it is told that pages are not packed, and what it hands over is checked and unpacked here.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescriptor;

use super::damaged;

/// Bytes of a page; writers make them of a mebibyte, some of a column in a row group.
const MOST_PAGE: usize = 64 << 20;
/// Bytes of all pages of a file.
const MOST_UNPACKED: u64 = 2 << 30;

/// What the pages of a file have come to so far.
#[derive(Clone, Default)]
pub(super) struct Unpacked(Arc<AtomicU64>);

impl Unpacked {
    /// Counts a page before room is made for it.
    fn count(&self, bytes: usize) -> Result<(), ParquetError> {
        let before = self.0.fetch_add(bytes as u64, Ordering::Relaxed);
        let problem = match (bytes > MOST_PAGE, before.saturating_add(bytes as u64)) {
            (true, _) => format!("has a page of more than {MOST_PAGE} bytes; write smaller pages"),
            (_, MOST_UNPACKED..) => {
                format!("unpacks to more than {MOST_UNPACKED} bytes; split the cohort")
            }
            _ => return Ok(()),
        };
        Err(ParquetError::General(problem))
    }
}

/// How pages are packed.
#[derive(Clone, Copy)]
enum Codec {
    Plain,
    Snappy,
    Gzip,
}

impl Codec {
    fn of(column: &str, packed: Compression) -> Result<Self, ParquetError> {
        let name = match packed {
            Compression::UNCOMPRESSED => return Ok(Self::Plain),
            Compression::SNAPPY => return Ok(Self::Snappy),
            Compression::GZIP(_) => return Ok(Self::Gzip),
            Compression::ZSTD(_) => "zstd",
            Compression::BROTLI(_) => "brotli",
            Compression::LZ4 | Compression::LZ4_RAW => "lz4",
            Compression::LZO => "lzo",
        };
        Err(ParquetError::General(format!(
            "column `{}` is packed by {name}; write it with snappy, gzip or none (in pandas and \
             polars `compression=\"snappy\"`)",
            column.escape_debug()
        )))
    }
}

/// Pages of a column of a row group.
pub(super) struct Pages {
    /// Name of the column, for messages.
    name: String,
    packed: SerializedPageReader<File>,
    codec: Codec,
    unpacked: Unpacked,
    /// Rows of the row group that no page has had.
    left: usize,
    /// Whether a field may be null.
    optional: bool,
    /// What the column's values are.
    physical: Type,
    /// Bytes that a value of the dictionary takes at least.
    narrowest: usize,
    dictionary: bool,
}

impl Pages {
    /// Of a column that [`super::values::check`] has passed, in a row group of so many rows.
    ///
    /// # Errors
    /// When they are packed as this program does not unpack, or lie outside the file.
    pub(super) fn open(
        file: &Arc<File>,
        column: &ColumnDescriptor,
        chunk: &ColumnChunkMetaData,
        rows: usize,
        unpacked: &Unpacked,
    ) -> Result<Self, ParquetError> {
        let codec = Codec::of(column.name(), chunk.compression())?;
        let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
        let (start, size) = (u64::try_from(start)?, u64::try_from(chunk.compressed_size())?);
        let outside = || damaged("a column lies outside the file");
        let end = start.checked_add(size).ok_or_else(outside)?;
        if end > file.metadata()?.len() {
            return Err(outside());
        }
        let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED);
        let packed = SerializedPageReader::new(Arc::clone(file), &plain.build()?, rows, None)?;
        let narrowest = match column.physical_type() {
            Type::FIXED_LEN_BYTE_ARRAY => usize::try_from(column.type_length())?.max(1),
            _ => 4,
        };
        Ok(Self {
            name: column.name().to_owned(),
            packed,
            codec,
            unpacked: unpacked.clone(),
            left: rows,
            optional: column.max_def_level() > 0,
            physical: column.physical_type(),
            narrowest,
            dictionary: false,
        })
    }

    /// A page whose counts are those of what it holds.
    fn checked(&mut self, page: Page) -> Result<Page, ParquetError> {
        match page {
            Page::DictionaryPage { buf, num_values, encoding, is_sorted } => {
                let buf = self.unpack(buf, 0)?;
                if num_values as usize > buf.len() / self.narrowest {
                    return Err(damaged("a dictionary has fewer values than it says"));
                }
                self.dictionary = true;
                Ok(Page::DictionaryPage { buf, num_values, encoding, is_sorted })
            }
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                rep_level_encoding,
                ..
            } => {
                self.takes(num_values, encoding)?;
                if self.optional && def_level_encoding != Encoding::RLE {
                    return Err(damaged("a page says in no known way what is missing"));
                }
                let buf = self.unpack(buf, 0)?;
                Ok(Page::DataPage {
                    buf,
                    num_values,
                    encoding,
                    def_level_encoding,
                    rep_level_encoding,
                    statistics: None,
                })
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls,
                num_rows,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed,
                ..
            } => {
                self.takes(num_values, encoding)?;
                let levels = u64::from(def_levels_byte_len) + u64::from(rep_levels_byte_len);
                let levels = usize::try_from(levels)?;
                if levels > buf.len() || num_nulls > num_values {
                    return Err(damaged("a page says more of what is missing than it holds"));
                }
                let buf = if is_compressed { self.unpack(buf, levels)? } else { buf };
                Ok(Page::DataPageV2 {
                    buf,
                    num_values,
                    encoding,
                    num_nulls,
                    num_rows,
                    def_levels_byte_len,
                    rep_levels_byte_len,
                    is_compressed: false,
                    statistics: None,
                })
            }
        }
    }

    /// A page of so many fields.
    fn takes(&mut self, fields: u32, encoding: Encoding) -> Result<(), ParquetError> {
        let left = usize::try_from(fields).ok().and_then(|fields| self.left.checked_sub(fields));
        self.left = left.ok_or_else(|| damaged("a column has more fields than rows"))?;
        let is_whole = matches!(self.physical, Type::INT32 | Type::INT64);
        let is_number = is_whole || matches!(self.physical, Type::FLOAT | Type::DOUBLE);
        match encoding {
            Encoding::PLAIN => Ok(()),
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY if self.dictionary => Ok(()),
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                Err(damaged("a page needs a dictionary that is not there"))
            }
            // Decoders that make room by what a page holds.
            Encoding::RLE if self.physical == Type::BOOLEAN => Ok(()),
            Encoding::DELTA_BINARY_PACKED if is_whole => Ok(()),
            Encoding::BYTE_STREAM_SPLIT if is_number => Ok(()),
            // Those of delta-encoded texts make it by what a page states. What the crate will know
            // beside these in a later version, nobody has looked at.
            other => Err(ParquetError::General(format!(
                "column `{}` is encoded by {other}, which is not read of such a column; write it \
                 plain or by a dictionary (in pandas and polars the default)",
                self.name.escape_debug().take(64).collect::<String>()
            ))),
        }
    }

    /// Unpacks what stands behind the first bytes, which are never packed.
    fn unpack(&self, packed: Bytes, plain: usize) -> Result<Bytes, ParquetError> {
        let (head, body) =
            packed.split_at_checked(plain).ok_or_else(|| damaged("a page is short"))?;
        // Where every field is null, nothing is packed.
        if body.is_empty() || matches!(self.codec, Codec::Plain) {
            self.unpacked.count(packed.len())?;
            return Ok(packed);
        }
        let wrong = || damaged("a page cannot be unpacked");
        let mut page = head.to_vec();
        match self.codec {
            Codec::Plain => {}
            Codec::Snappy => {
                let size = snap::raw::decompress_len(body).map_err(|_| wrong())?;
                self.unpacked.count(plain.saturating_add(size))?;
                page.resize(plain.saturating_add(size), 0);
                let room = page.get_mut(plain..).unwrap_or_default();
                let got = snap::raw::Decoder::new().decompress(body, room).map_err(|_| wrong())?;
                page.truncate(plain.saturating_add(got));
            }
            Codec::Gzip => {
                let mut gzip = flate2::read::MultiGzDecoder::new(body).take(MOST_PAGE as u64 + 1);
                gzip.read_to_end(&mut page).map_err(|_| wrong())?;
                self.unpacked.count(page.len())?;
            }
        }
        Ok(page.into())
    }
}

impl Iterator for Pages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        let page = self.packed.get_next_page()?;
        page.map(|page| self.checked(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.packed.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.packed.skip_next_page()
    }
}
