/** The gateway's own group on every topic that has subscriptions. */
export const fanoutGroup = 'sluice.fanout'
