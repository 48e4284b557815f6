/** Which game a story is. */
import { ChannelGame, type Game } from './game.js'
import { RenewalGame } from './renewals.js'
import type { Story } from './stories.js'

/** A story knows nothing of what its worlds are made of, and who plays it does not either. */
export function withGameOf<R>(story: Story, play: <W>(game: Game<W>) => R): R {
  return story.beside === 'renewal' ? play(new RenewalGame(story)) : play(new ChannelGame(story))
}
