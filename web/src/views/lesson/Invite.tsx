import qrcode from "qrcode-generator";
import { useState } from "react";

import { CopyButton, Dialog } from "../widgets";
import { useText } from "../text";

export interface Links {
  student: string;
  /** Null for a co-teacher, who invites students only. */
  coTeacher: string | null;
}

/** A link as a QR code, drawn here: nothing is asked of another host. */
export function QrCode({ value, label }: { value: string; label: string }) {
  const code = qrcode(0, "M");
  code.addData(value);
  code.make();
  const count = code.getModuleCount();
  const quiet = 3;
  let path = "";
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) path += `M${column + quiet} ${row + quiet}h1v1h-1z`;
    }
  }
  const side = count + 2 * quiet;
  return (
    <svg className="qr" viewBox={`0 0 ${side} ${side}`} role="img" aria-label={label} shapeRendering="crispEdges" data-testid="qr">
      <rect width={side} height={side} fill="#ffffff" />
      <path d={path} fill="#000000" />
    </svg>
  );
}

/** Student link with its QR code and, on demand, the co-teacher's. */
export function InviteDialog({ links, onClose }: { links: Links; onClose: () => void }) {
  const text = useText();
  const [large, setLarge] = useState(false);
  return (
    <Dialog title={text.invite.title} testId="invite-dialog" onClose={onClose}>
      <div className={large ? "invite large" : "invite"}>
        <button
          type="button"
          className="qr-button"
          aria-label={text.invite.qrLarge}
          aria-pressed={large}
          title={text.invite.qrLarge}
          onClick={() => {
            setLarge(!large);
          }}
        >
          <QrCode value={links.student} label={text.invite.qr} />
        </button>
        <div className="invite-words">
          <h3>{text.invite.student}</h3>
          <p className="note">{text.invite.studentHelp}</p>
          <p className="link-text" data-testid="student-link">
            {links.student}
          </p>
          <CopyButton value={links.student} label={text.invite.copyStudent} testId="copy-student-link" className="button primary" />
        </div>
      </div>
      {links.coTeacher !== null && (
        <details className="rules">
          <summary data-testid="show-co-teacher-link">{text.invite.showCoTeacher}</summary>
          <p className="note">{text.invite.coTeacherHelp}</p>
          <p className="link-text" data-testid="co-teacher-link">
            {links.coTeacher}
          </p>
          <CopyButton value={links.coTeacher} label={text.invite.copyCoTeacher} testId="copy-co-teacher-link" />
        </details>
      )}
    </Dialog>
  );
}

/** What the teacher sees in an empty lesson: the link to give away. */
export function InviteCard({ links }: { links: Links }) {
  const text = useText();
  return (
    <div className="alone">
      <QrCode value={links.student} label={text.invite.qr} />
      <div className="invite-words">
        <h2>{text.lesson.nobody}</h2>
        <p className="note">{text.lesson.nobodyTeacher}</p>
        <p className="link-text" data-testid="student-link">
          {links.student}
        </p>
        <CopyButton value={links.student} label={text.invite.copyStudent} testId="copy-student-link" className="button primary" />
      </div>
    </div>
  );
}
