import type { Language } from "./languages";

const MEGABYTE = 1_000_000;
const TENTHS_BELOW = 10;

/** Bytes in words as megabytes; tenths only where they tell something. */
export function megabytes(language: Language): (bytes: number) => string {
  const form = (digits: number) =>
    new Intl.NumberFormat(language, { style: "unit", unit: "megabyte", maximumFractionDigits: digits });
  const [whole, tenths] = [form(0), form(1)];
  return (bytes) => {
    const amount = bytes / MEGABYTE;
    return (amount < TENTHS_BELOW ? tenths : whole).format(amount);
  };
}
