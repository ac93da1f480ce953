/** The parts of slides, which come over the line when they are first needed. */

import { lazy, Suspense, type ComponentProps } from "react";

import { useText } from "../../text";
import { Busy } from "../../widgets";

const Panel = lazy(async () => ({ default: (await import("./SlidesPanel")).SlidesPanel }));
const View = lazy(async () => ({ default: (await import("./SlidesView")).SlidesView }));

export function SlidesPanel(props: ComponentProps<typeof Panel>) {
  return (
    <Suspense fallback={<Loading />}>
      <Panel {...props} />
    </Suspense>
  );
}

export function SlidesView(props: ComponentProps<typeof View>) {
  return (
    <Suspense fallback={<Loading />}>
      <View {...props} />
    </Suspense>
  );
}

function Loading() {
  return <Busy label={useText().common.loading} />;
}
