/**
 * Ends a sentence about a word that nobody knows: with the known one that was meant, as far as can be told. That is one
 * which differs in case or separators only, or by two slips at the most.
 */
export function didYouMean(word: string, known: readonly string[]): string {
  const meant = plain(word)
  let best: string | undefined
  let fewest = Math.min(2, meant.length / 2)
  for (const one of known) {
    const count = slips(meant, plain(one))
    if (count > fewest || (count === fewest && best !== undefined)) continue
    best = one
    fewest = count
  }
  return best === undefined ? '' : `. Did you mean ${best}?`
}

function plain(word: string): string {
  return word.toLowerCase().replace(/[_-]/g, '')
}

/** How many letters are to be put in, left out or replaced (Levenshtein). */
function slips(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, length) => length)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + Number(from[i - 1] !== to[j - 1])
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
